import { SagaOrchestrator, orderSaga } from './saga.js';

class Orders extends SagaOrchestrator {
  /** Waits at the saga's object until the step's worker has reported. */
  async waitForResult(step, sagaId) {
    const answer = await results(this.env, sagaId).fetch(`https://results/${step}`);
    const { error, ...result } = await answer.json();
    if (error) throw new Error(error);
    return result;
  }
}

const results = (env, sagaId) => env.RESULTS.get(env.RESULTS.idFromName(sagaId));

/** What the steps of one saga came to: a worker puts a step's result, the orchestrator waits for it. */
export class SagaResults {
  #waiting = new Map();

  constructor(state) {
    this.state = state;
  }

  async fetch(request) {
    const step = new URL(request.url).pathname.slice(1);
    if (request.method === 'PUT') {
      const result = await request.json();
      await this.state.storage.put(step, result);
      this.#waiting.get(step)?.(result);
      return new Response(null, { status: 204 });
    }
    const arrived = new Promise(resolve => this.#waiting.set(step, resolve));
    return Response.json(await this.state.storage.get(step) ?? await arrived);
  }
}

const STEPS = { RESERVE: 'reserve_inventory', CHARGE: 'charge_payment', CREATE_SHIPMENT: 'create_shipping' };

/** Stands for the workers of the warehouse, the bank and the carrier. */
async function carryOut({ action, data }, env) {
  const failure = { CHARGE: data.amount > 100 && 'the card is refused', CREATE_SHIPMENT: data.island && 'no ship goes there' };
  await env.DB.prepare('INSERT INTO actions (saga, action) VALUES (?, ?)').bind(data.sagaId, action).run();
  if (!STEPS[action]) return;
  await results(env, data.sagaId).fetch(`https://results/${STEPS[action]}`, {
    method: 'PUT',
    body: JSON.stringify({ action, error: failure[action] || undefined }),
  });
}

export default {
  // POST an order; GET /<saga>: what is kept of it, and what the workers did.
  async fetch(request, env) {
    if (request.method === 'POST') {
      const order = await request.json();
      try {
        return Response.json(await new Orders(env).executeSaga(orderSaga, order));
      } catch (error) {
        return Response.json({ success: false, error: error.message, sagaId: order.sagaId }, { status: 409 });
      }
    }
    const saga = new URL(request.url).pathname.slice(1);
    const { results } = await env.DB.prepare('SELECT action FROM actions WHERE saga = ? ORDER BY id').bind(saga).all();
    return Response.json({ kept: await env.KV.get(`saga:${saga}`, 'json'), actions: results.map(row => row.action) });
  },

  async queue(batch, env) {
    for (const message of batch.messages) await carryOut(message.body, env);
  },
};
