import { BillingManager, MultiTenantApp } from './saas.js';

class Billing extends BillingManager {
  constructor(env, config) {
    super();
    this.env = env;
    this.config = config;
  }

  getLimit(tenantId, resource) {
    return this.config.limits[resource];
  }

  getCurrentPeriod() {
    return new Date().toISOString().slice(0, 7);
  }
}

class Notes extends MultiTenantApp {
  getTenantConfig(tenantId) {
    return this.env.KV.get(`config:${tenantId}`, 'json');
  }

  async processRequest(request, { tenant, db, storage, config }) {
    await new Billing(this.env, config).checkUsage(tenant.id, 'requests');
    const { pathname } = new URL(request.url);
    if (pathname.startsWith('/files/')) {
      if (request.method === 'PUT') {
        await storage.put(pathname, request.body);
        return new Response(null, { status: 204 });
      }
      const file = await storage.get(pathname);
      return new Response(file?.body, { status: file ? 200 : 404 });
    }
    const { results } = await db.prepare('SELECT text FROM notes ORDER BY id').all();
    return Response.json({ name: config.name, notes: results.map(row => row.text) });
  }
}

export default {
  async fetch(request, env) {
    // What was billed, whoever asks.
    if (new URL(request.url).pathname === '/_billed') {
      const { results } = await env.DB.prepare('SELECT tenant, sum(amount) AS amount FROM bills GROUP BY 1 ORDER BY 1').all();
      return Response.json(results);
    }
    try {
      return await new Notes(env).handleRequest(request);
    } catch (error) {
      return new Response(error.message, { status: error.message.startsWith('Usage limit') ? 402 : 404 });
    }
  },

  // A message that comes twice is billed once.
  async queue(batch, env) {
    const insert = env.DB.prepare('INSERT OR IGNORE INTO bills (message, tenant, amount) VALUES (?, ?, ?)');
    await env.DB.batch(batch.messages.map(({ id, body }) => insert.bind(id, body.tenantId, body.amount)));
  },
};
