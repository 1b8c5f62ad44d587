// The guide's CommandHandler and QueryHandler (its lines 634-713). `index.js` has what they leave out; where they cannot run
// as written, a comment says what differs.

// 命令处理器
export class CommandHandler {
  constructor(env) {
    this.env = env;
  }

  async handle(command) {
    switch (command.type) {
      case 'CREATE_ORDER':
        return this.createOrder(command.data);
      case 'UPDATE_INVENTORY':
        return this.updateInventory(command.data);
      case 'PROCESS_PAYMENT':
        return this.processPayment(command.data);
    }
  }

  async createOrder(data) {
    // 写入事件存储
    const event = {
      id: crypto.randomUUID(),
      type: 'OrderCreated',
      aggregateId: data.orderId,
      data: data,
      timestamp: Date.now()
    };

    // Differs: `event:${event.id}` there, which nothing reads: the history looks below `event:order:`.
    await this.env.EVENT_STORE.put(
      `event:order:${event.aggregateId}:${event.id}`,
      JSON.stringify(event)
    );

    // 更新读模型
    await this.env.READ_MODEL_QUEUE.send(event);

    return { success: true, eventId: event.id };
  }
}

// 查询处理器
export class QueryHandler {
  constructor(env) {
    this.env = env;
  }

  async handle(query) {
    switch (query.type) {
      case 'GET_ORDER':
        return this.getOrder(query.orderId);
      case 'LIST_ORDERS':
        return this.listOrders(query.filters);
      case 'GET_ORDER_HISTORY':
        return this.getOrderHistory(query.orderId);
    }
  }

  async getOrder(orderId) {
    // 从读模型获取
    const order = await this.env.DB.prepare(
      'SELECT * FROM order_view WHERE id = ?'
    ).bind(orderId).first();

    return order;
  }

  async getOrderHistory(orderId) {
    // 获取事件历史
    // Differs: `KV` there, which is not where the events are.
    const events = await this.env.EVENT_STORE.list({
      prefix: `event:order:${orderId}:`
    });

    const history = await Promise.all(
      events.keys.map(key =>
        this.env.EVENT_STORE.get(key.name, 'json')
      )
    );

    return history.sort((a, b) => a.timestamp - b.timestamp);
  }
}
