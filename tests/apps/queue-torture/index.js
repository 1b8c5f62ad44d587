// Sends numbered messages, and writes down which batches came: the key's order is the order of the batches, and its first
// part names the life of the process.
let life;
let batches = 0;

export default {
  async fetch(request, env) {
    const [, way, n] = new URL(request.url).pathname.split("/");
    switch (way) {
      case "send":
        await env.PUSHED.send(`send ${n}`, { contentType: "text" });
        return new Response("sent");
      case "batch":
        await env.PUSHED.sendBatch([1, 2, 3, 4, 5].map((part) => ({ body: `batch ${n} ${part}`, contentType: "text" })));
        return new Response("sent");
      case "pulled":
        await env.PULLED.send(`pulled ${n}`, { contentType: "text" });
        return new Response("sent");
      case "batches": {
        const { keys, cursor } = await env.KV.list({ cursor: n || undefined, limit: 100 });
        const found = await Promise.all(keys.map(async ({ name }) => [name, await env.KV.get(name, "json")]));
        return Response.json({ found, cursor });
      }
    }
    return new Response("ready");
  },

  async queue(batch, env) {
    life ??= crypto.randomUUID();
    const key = `${Date.now().toString().padStart(15, "0")} ${life} ${(++batches).toString().padStart(9, "0")}`;
    await env.KV.put(key, JSON.stringify(batch.messages.map(({ id, body }) => [id, body])));
  },
};
