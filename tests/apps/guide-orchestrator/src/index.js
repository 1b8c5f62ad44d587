import { ServiceOrchestrator } from './orchestrator.js';

export default {
  // POST a checkout; GET the latest order.
  async fetch(request, env) {
    if (request.method === 'GET') return Response.json(await env.ORDERS.latest());
    try {
      return Response.json(await new ServiceOrchestrator(env).processCheckout(await request.json()));
    } catch (error) {
      return Response.json({ error: error.message }, { status: 409 });
    }
  },
};
