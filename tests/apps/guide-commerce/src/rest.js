/** Names the steps of an order, and keeps how it went. */
export class OrderTransaction {
  #steps = [];

  constructor(orderId) {
    this.orderId = orderId;
  }

  async step(name, work) {
    this.#steps.push(name);
    return work();
  }

  commit(env) {
    return this.#keep(env, 'committed');
  }

  rollback(env) {
    return this.#keep(env, 'rolled back');
  }

  async #keep(env, outcome) {
    await env.DB.prepare('INSERT INTO transactions (order_id, steps, outcome) VALUES (?, ?, ?)')
      .bind(this.orderId, this.#steps.join(' '), outcome)
      .run();
  }
}
