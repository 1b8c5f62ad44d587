import { DurableObject } from "cloudflare:workers";

export class Counter extends DurableObject {
  async increment() {
    const n = ((await this.ctx.storage.get("n")) ?? 0) + 1;
    await this.ctx.storage.put("n", n);
    return n;
  }
  fetch() {
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    server.addEventListener("message", ({ data }) => server.send(`echo ${data}`));
    return new Response(null, { status: 101, webSocket: client });
  }
}

// Which process answers: made at its first request, since there is no randomness before.
let process;

// Some milliseconds of CPU. What it computes is sent, so that nobody leaves it out.
function burn(turns) {
  let x = 1;
  for (let i = 0; i < turns; i++) x = Math.imul(x ^ i, 0x01000193) ^ (x >>> 13);
  return x;
}

export default {
  async fetch(request, { COUNTERS }) {
    process ??= crypto.randomUUID();
    if (request.headers.has("upgrade")) return COUNTERS.getByName("room").fetch(request);
    const { pathname, searchParams } = new URL(request.url);
    const burned = burn(Number(searchParams.get("turns")));
    if (pathname === "/wait") await scheduler.wait(150);
    const n = pathname === "/count" ? await COUNTERS.getByName("bob").increment() : undefined;
    return Response.json({ process, burned, n });
  },
};
