import { CommandHandler, QueryHandler } from './cqrs.js';

class Commands extends CommandHandler {
  updateInventory(data) {
    return this.#append('InventoryUpdated', data);
  }

  processPayment(data) {
    return this.#append('PaymentProcessed', data);
  }

  async #append(type, data) {
    const event = { id: crypto.randomUUID(), type, aggregateId: data.orderId, data, timestamp: Date.now() };
    await this.env.EVENT_STORE.put(`event:order:${event.aggregateId}:${event.id}`, JSON.stringify(event));
    await this.env.READ_MODEL_QUEUE.send(event);
    return { success: true, eventId: event.id };
  }
}

class Queries extends QueryHandler {
  async listOrders({ status }) {
    return (await this.env.DB.prepare('SELECT * FROM order_view WHERE status = ? ORDER BY id').bind(status).all()).results;
  }
}

export default {
  // POST /command, POST /query.
  async fetch(request, env) {
    const handler = new URL(request.url).pathname === '/command' ? new Commands(env) : new Queries(env);
    return Response.json(await handler.handle(await request.json()));
  },

  // The read model follows what happened. A message may come twice, and an order's payment before the order.
  async queue(batch, env) {
    for (const { body: { type, aggregateId, data } } of batch.messages) {
      const [column, value] = type === 'OrderCreated' ? ['total', data.total] : ['status', 'paid'];
      if (type === 'InventoryUpdated') continue;
      await env.DB.prepare(
        `INSERT INTO order_view (id, ${column}) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET ${column} = ?2`
      ).bind(aggregateId, value).run();
    }
  },
};
