import { DurableObject, RpcTarget } from "cloudflare:workers";

class Counter extends RpcTarget {
  #n = 0;
  increment(by = 1) { return (this.#n += by); }
  get value() { return this.#n; }
}

class Custom extends TypeError {
  constructor(message) { super(message); this.code = "E_CUSTOM"; }
}

export class Room extends DurableObject {
  secret = 1;
  seen = [];
  spin() { for (;;); }
  hoard() { const kept = []; for (;;) kept.push(new Uint8Array(1 << 20).fill(1)); }
  async tally() { const n = ((await this.ctx.storage.get("tally")) ?? 0) + 1; await this.ctx.storage.put("tally", n); return n; }
  tallied() { return this.ctx.storage.get("tally"); }
  who() { return { id: this.ctx.id.toString(), name: this.ctx.id.name ?? null }; }
  get property() { return "of the class"; }
  get counter() { return new Counter(); }
  make() { return new Counter(); }
  async add(by) { const n = ((await this.ctx.storage.get("n")) ?? 0) + by; await this.ctx.storage.put("n", n); return n; }
  async callBack(f) { return (await f(5)) + 1; }
  stream() { return new Blob(["x".repeat(100_000)]).stream(); }
  async count(stream) { let n = 0; for await (const chunk of stream) n += chunk.length; return n; }
  fail() { throw new Custom("boom"); }
  abort() { this.ctx.abort("told to"); }
  async slow(ms) { await scheduler.wait(ms); return ms; }
  async later() { await scheduler.wait(500); await this.ctx.storage.put("closed", "later"); }
  note(k) { this.seen.push(k); }
  noted() { return this.seen; }
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/fail") throw new Custom("boom");
    if (pathname === "/moved") return Response.redirect("http://elsewhere.test/", 302);
    if (pathname === "/note") return this.note(+searchParams.get("n")) ?? new Response();
    if (pathname === "/drip") return new Response(new Blob(["y".repeat(300_000)]).stream());
    if (request.headers.get("upgrade")) {
      const [client, server] = Object.values(new WebSocketPair());
      this.ctx.acceptWebSocket(server);
      return new Response(null, { status: 101, webSocket: client, headers: { "x-a": "b" } });
    }
    const { url, method, redirect, cf } = request;
    return Response.json({ url, method, redirect, cf, headers: [...request.headers], body: await request.text(), ...this.who() }, { status: 202, headers: { "x-a": "b" } });
  }
  webSocketMessage(socket, message) { message === "close" ? socket.close(4001, "asked to") : socket.send(`echo ${message}`); }
  async webSocketClose(socket, code) { await this.ctx.storage.put("closed", code); socket.close(); }
  closed() { return this.ctx.storage.get("closed"); }
}

export default {
  fetch: async (request, { ROOMS }) => Response.json(await ROOMS.getByName("bob").who()),
};
