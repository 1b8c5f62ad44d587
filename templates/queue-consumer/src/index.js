// POST puts the body into the queue; the queue's batches come back to `queue`.
export default {
  async fetch(request, env) {
    if (request.method !== "POST") return new Response("POST something\n", { status: 405 });
    await env.QUEUE.send({ text: await request.text(), at: Date.now() });
    return new Response("queued\n", { status: 202 });
  },

  async queue(batch) {
    for (const message of batch.messages) {
      console.log(batch.queue, message.id, message.body);
      message.ack();
    }
  },
};
