// The guide's SagaOrchestrator and its order saga (its lines 719-844). `index.js` has what they leave out; where they cannot
// run as written, a comment says what differs.

// Saga 协调器
export class SagaOrchestrator {
  constructor(env) {
    this.env = env;
  }

  async executeSaga(sagaDefinition, context) {
    const sagaId = crypto.randomUUID();
    const completedSteps = [];
    // Differs: nobody sets it there, though the steps send it.
    context.sagaId = sagaId;

    try {
      // 执行每个步骤
      for (const step of sagaDefinition.steps) {
        const result = await this.executeStep(step, context);

        completedSteps.push({
          step: step.name,
          result,
          compensate: step.compensate
        });

        // 保存 Saga 状态
        await this.env.KV.put(
          `saga:${sagaId}`,
          JSON.stringify({
            id: sagaId,
            status: 'in_progress',
            completedSteps,
            context
          })
        );
      }

      // Saga 成功完成
      await this.env.KV.put(
        `saga:${sagaId}`,
        JSON.stringify({
          id: sagaId,
          status: 'completed',
          completedSteps,
          context
        })
      );

      return { success: true, sagaId };

    } catch (error) {
      // 补偿已完成的步骤
      await this.compensate(completedSteps, context);

      await this.env.KV.put(
        `saga:${sagaId}`,
        JSON.stringify({
          id: sagaId,
          status: 'compensated',
          error: error.message,
          completedSteps,
          context
        })
      );

      throw error;
    }
  }

  async executeStep(step, context) {
    const queue = this.env[step.queue];

    // 发送命令到队列
    await queue.send({
      action: step.action,
      data: context,
      sagaId: context.sagaId
    });

    // 等待结果（通过 Durable Object 或轮询）
    return this.waitForResult(step.name, context.sagaId);
  }

  async compensate(completedSteps, context) {
    // 反向执行补偿操作
    for (const step of completedSteps.reverse()) {
      if (step.compensate) {
        await this.env[step.compensate.queue].send({
          action: step.compensate.action,
          data: context,
          originalResult: step.result
        });
      }
    }
  }
}

// 使用示例：订单处理 Saga
export const orderSaga = {
  name: 'ProcessOrder',
  steps: [
    {
      name: 'reserve_inventory',
      queue: 'INVENTORY_QUEUE',
      action: 'RESERVE',
      compensate: {
        queue: 'INVENTORY_QUEUE',
        action: 'RELEASE'
      }
    },
    {
      name: 'charge_payment',
      queue: 'PAYMENT_QUEUE',
      action: 'CHARGE',
      compensate: {
        queue: 'PAYMENT_QUEUE',
        action: 'REFUND'
      }
    },
    {
      name: 'create_shipping',
      queue: 'SHIPPING_QUEUE',
      action: 'CREATE_SHIPMENT',
      compensate: {
        queue: 'SHIPPING_QUEUE',
        action: 'CANCEL_SHIPMENT'
      }
    }
  ]
};
