import sample from './sample.js';

export default {
  // What the queues brought stands at /_seen; / says that the worker is there.
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname === '/') return new Response('here');
    if (new URL(request.url).pathname === '/_seen') {
      const { results } = await env.DB.prepare('SELECT queue, body FROM seen ORDER BY queue, id').all();
      return Response.json(results.map(({ queue, body }) => ({ queue, body: JSON.parse(body) })));
    }
    return sample.fetch(request, env, ctx);
  },

  async queue(batch, env) {
    const insert = env.DB.prepare('INSERT INTO seen (queue, body) VALUES (?, ?)');
    await env.DB.batch(batch.messages.map(message => insert.bind(batch.queue, JSON.stringify(message.body))));
  },
};
