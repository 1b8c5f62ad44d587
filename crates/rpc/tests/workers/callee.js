import { WorkerEntrypoint, RpcTarget } from "cloudflare:workers";

class Counter extends RpcTarget {
  #n = 0;
  increment(by = 1) { return (this.#n += by); }
  get value() { return this.#n; }
  child() { return new Counter(); }
}

class CustomError extends Error {
  constructor(message) { super(message); this.name = "CustomError"; this.code = "E_CUSTOM"; this.detail = { nested: [1, 2] }; }
}

const methods = (Base) => class extends Base {
  add(a, b) { return a + b; }
  version() { return this.env.VERSION; }
  props() { return this.ctx.props; }
  echo(value) { return value; }
  length(text) { return text.length; }
  counter() { return new Counter(); }
  async callBack(fn, n) { let sum = 0; for (let i = 0; i < n; i++) sum += await fn(i); return sum; }
  async useTarget(target) { return await target.double(21); }
  stream(chunks, size) {
    let i = 0;
    return new ReadableStream({ type: "bytes", pull(c) { if (i++ < chunks) c.enqueue(new Uint8Array(size).fill(i)); else c.close(); } });
  }
  async count(stream) { let n = 0; for await (const chunk of stream) n += chunk.byteLength; return n; }
  fail(kind) {
    if (kind === "TypeError") throw new TypeError("wrong type");
    if (kind === "RangeError") throw new RangeError("out of range");
    if (kind === "custom") throw new CustomError("made here");
    if (kind === "cause") throw new Error("outer", { cause: new TypeError("inner") });
    if (kind === "aggregate") throw new AggregateError([new Error("a"), new TypeError("b")], "many");
    throw "just a string";
  }
  async response() { return new Response("a body", { status: 418, headers: { "x-y": "z" } }); }
  async request(request) { return `${request.method} ${request.url} ${request.headers.get("x-a")} ${await request.text()}`; }
  async hang() { for (;;) { await scheduler.wait(5); ticks++; } }
  async slow(ms) { await scheduler.wait(ms); return this.env.VERSION; }
};

export default class extends methods(WorkerEntrypoint) {
  async fetch(request) {
    const url = new URL(request.url);
    if (url.pathname === "/ws") return socket();
    return Response.json({ from: "default", method: request.method, url: request.url, cf: request.cf ?? null, headers: [...request.headers].map(([k]) => k), body: await request.text() });
  }
}

export class Named extends methods(WorkerEntrypoint) {
  async fetch(request) {
    const url = new URL(request.url);
    if (url.pathname === "/ws") return socket(this.ctx.props);
    if (url.pathname === "/echo") return new Response(request.body, { status: 201, statusText: "Echoed", headers: [["x-a", "ü"], ["set-cookie", "a=1"], ["set-cookie", "b=2"]] });
    if (url.pathname === "/drip") {
      const { readable, writable } = new TransformStream();
      const writer = writable.getWriter();
      (async () => { for (let i = 0; i < 3; i++) { await writer.write(new TextEncoder().encode(`drip ${i}\n`)); await scheduler.wait(50); } await writer.close(); })();
      return new Response(readable);
    }
    if (url.pathname === "/forever") {
      return new Response(new ReadableStream({
        async pull(c) { await scheduler.wait(5); c.enqueue(new Uint8Array(1024)); },
      }));
    }
    if (url.pathname === "/hang") for (;;) { await scheduler.wait(5); ticks++; }
    if (url.pathname === "/ticks") return new Response(String(ticks));
    if (url.pathname === "/count") { let n = 0; for await (const chunk of request.body) n += chunk.byteLength; return new Response(String(n)); }
    if (url.pathname === "/flood") return new Response(this.stream(48, 65536));
    if (url.pathname === "/throw") throw new TypeError("thrown by fetch");
    if (url.pathname === "/none") return new Response(null, { status: 204 });
    return Response.json({ from: "named", method: request.method, url: request.url, cf: request.cf ?? null, headers: Object.fromEntries(request.headers), props: this.ctx.props, body: await request.text() });
  }
}
let ticks = 0;

function socket(props) {
  const [client, server] = Object.values(new WebSocketPair());
  server.binaryType = "arraybuffer";
  server.accept();
  server.addEventListener("message", (event) => {
    if (event.data === "close") return server.close(4001, "asked to");
    server.send(typeof event.data === "string" ? `${event.data} ${JSON.stringify(props ?? null)}` : event.data);
  });
  return new Response(null, { status: 101, webSocket: client, headers: { "x-socket": "yes" } });
}
