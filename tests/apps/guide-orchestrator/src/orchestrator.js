// The guide's ServiceOrchestrator (its lines 1046-1160), as written. `index.js` uses it.
import { InventoryService, OrderService, ShippingService, UserService } from './services.js';

// 服务编排器
export class ServiceOrchestrator {
  constructor(env) {
    this.env = env;
    this.services = {
      users: new UserService(env),
      orders: new OrderService(env),
      inventory: new InventoryService(env),
      shipping: new ShippingService(env)
    };
  }

  async processCheckout(checkoutData) {
    const workflow = [
      // 步骤 1: 验证用户
      {
        name: 'validateUser',
        service: 'users',
        method: 'validate',
        input: () => ({ userId: checkoutData.userId }),
        required: true
      },

      // 步骤 2: 检查库存（并行）
      {
        name: 'checkInventory',
        service: 'inventory',
        method: 'checkAvailability',
        input: () => ({ items: checkoutData.items }),
        parallel: true,
        required: true
      },

      // 步骤 3: 计算运费（并行）
      {
        name: 'calculateShipping',
        service: 'shipping',
        method: 'calculateCost',
        input: (context) => ({
          items: checkoutData.items,
          address: context.validateUser.address
        }),
        parallel: true,
        required: false
      },

      // 步骤 4: 创建订单
      {
        name: 'createOrder',
        service: 'orders',
        method: 'create',
        input: (context) => ({
          ...checkoutData,
          shippingCost: context.calculateShipping?.cost || 0
        }),
        required: true
      }
    ];

    return this.executeWorkflow(workflow);
  }

  async executeWorkflow(workflow) {
    const context = {};
    const parallelGroup = [];

    for (const step of workflow) {
      if (step.parallel) {
        // 收集并行任务
        parallelGroup.push(step);
      } else {
        // 执行并行组
        if (parallelGroup.length > 0) {
          const results = await Promise.allSettled(
            parallelGroup.map(s => this.executeStep(s, context))
          );

          for (let i = 0; i < parallelGroup.length; i++) {
            const step = parallelGroup[i];
            const result = results[i];

            if (result.status === 'fulfilled') {
              context[step.name] = result.value;
            } else if (step.required) {
              throw new Error(`Step ${step.name} failed: ${result.reason}`);
            }
          }

          parallelGroup.length = 0;
        }

        // 执行当前步骤
        try {
          context[step.name] = await this.executeStep(step, context);
        } catch (error) {
          if (step.required) {
            throw error;
          }
          console.error(`Optional step ${step.name} failed:`, error);
        }
      }
    }

    return context;
  }

  async executeStep(step, context) {
    const service = this.services[step.service];
    const input = typeof step.input === 'function'
      ? step.input(context)
      : step.input;

    return service[step.method](input);
  }
}
