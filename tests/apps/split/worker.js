import { DurableObject } from "cloudflare:workers";

export class Counter extends DurableObject {
  async increment() {
    const n = ((await this.ctx.storage.get("n")) ?? 0) + 1;
    await this.ctx.storage.put("n", n);
    return { n, object: this.env.VERSION, name: this.ctx.id.name };
  }
  fetch() {
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }
  webSocketMessage(socket, message) { socket.send(`${this.env.VERSION} ${message}`); }
  webSocketClose(socket) { socket.close(); }
}

export default {
  async fetch(request, { COUNTERS, VERSION }) {
    const counter = COUNTERS.getByName("bob");
    if (request.headers.has("upgrade")) return await counter.fetch(request);
    return Response.json({ front: VERSION, ...(await counter.increment()) });
  },
};
