import sample, { EventBus } from './sample.js';

export default {
  // What the queues brought stands at /_seen; POST /_emit {event, data} has any event go its way.
  async fetch(request, env) {
    if (new URL(request.url).pathname === '/_seen') {
      const { results } = await env.DB.prepare('SELECT queue, body FROM seen ORDER BY queue, id').all();
      return Response.json(results.map(({ queue, body }) => ({ queue, body: JSON.parse(body) })));
    }
    if (new URL(request.url).pathname === '/_emit') {
      const { event, data } = await request.json();
      await new EventBus(env).emit(event, data);
      return new Response(null, { status: 204 });
    }
    return sample.fetch(request, env);
  },

  async queue(batch, env) {
    const insert = env.DB.prepare('INSERT INTO seen (queue, body) VALUES (?, ?)');
    await env.DB.batch(batch.messages.map(message => insert.bind(batch.queue, JSON.stringify(message.body))));
  },
};
