import sample from './sample.js';

export default {
  // What the analytics were told stands at /_seen.
  async fetch(request, env) {
    if (new URL(request.url).pathname !== '/_seen') return sample.fetch(request, env);
    const { keys } = await env.KV.list({ prefix: 'seen:' });
    return Response.json(await Promise.all(keys.map(key => env.KV.get(key.name, 'json'))));
  },

  async queue(batch, env) {
    for (const message of batch.messages) {
      await env.KV.put(`seen:${message.body.timestamp}:${message.id}`, JSON.stringify(message.body));
    }
  },
};
