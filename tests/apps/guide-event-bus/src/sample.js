// The guide's EventBus (its lines 579-628), as written.

// 事件总线实现
export class EventBus {
  constructor(env) {
    this.env = env;
  }

  async emit(event, data) {
    // 根据事件类型路由到不同队列
    const routing = {
      'order.created': ['INVENTORY_QUEUE', 'PAYMENT_QUEUE', 'EMAIL_QUEUE'],
      'order.paid': ['SHIPPING_QUEUE', 'ANALYTICS_QUEUE'],
      'order.shipped': ['EMAIL_QUEUE', 'TRACKING_QUEUE'],
      'order.delivered': ['REVIEW_QUEUE', 'ANALYTICS_QUEUE']
    };

    const queues = routing[event] || [];

    await Promise.all(
      queues.map(queueName =>
        this.env[queueName].send({
          event,
          data,
          timestamp: Date.now(),
          correlationId: crypto.randomUUID()
        })
      )
    );
  }
}

// 使用示例
export default {
  async fetch(request, env) {
    const order = await request.json();
    const eventBus = new EventBus(env);

    // 保存订单
    await env.DB.prepare(
      'INSERT INTO orders (id, data) VALUES (?, ?)'
    ).bind(order.id, JSON.stringify(order)).run();

    // 发布事件
    await eventBus.emit('order.created', order);

    return new Response(JSON.stringify({
      status: 'accepted',
      orderId: order.id
    }));
  }
};
