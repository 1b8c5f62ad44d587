import { WorkerEntrypoint } from 'cloudflare:workers';

const STOCK = { book: 10, pen: 0 };

/** Takes a while, and says from when to when, so that a caller can tell whether two of them overlapped. */
async function timed(work) {
  const from = Date.now();
  await scheduler.wait(150);
  return { ...work(), from, to: Date.now() };
}

export class Users extends WorkerEntrypoint {
  validate({ userId }) {
    if (userId !== 'alice') throw new Error(`no user ${userId}`);
    return { userId, address: { country: 'DE' } };
  }
}

export class Inventory extends WorkerEntrypoint {
  checkAvailability({ items }) {
    return timed(() => {
      const missing = items.find(item => STOCK[item.id] < item.quantity);
      if (missing) throw new Error(`${missing.id} is out of stock`);
      return { available: true };
    });
  }
}

export class Shipping extends WorkerEntrypoint {
  calculateCost({ items, address }) {
    return timed(() => {
      if (items.some(item => item.heavy)) throw new Error('nobody carries that');
      return { cost: address.country === 'DE' ? 5 : 20 };
    });
  }
}

export class Orders extends WorkerEntrypoint {
  async create(order) {
    await this.env.ORDERS_KV.put('latest', JSON.stringify(order));
    return { id: 'o1', ...order };
  }

  latest() {
    return this.env.ORDERS_KV.get('latest', 'json');
  }
}

export default {
  fetch: () => new Response('ask by RPC', { status: 404 }),
};
