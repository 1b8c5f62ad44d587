import { RpcTarget } from "cloudflare:workers";

class Doubler extends RpcTarget { double(n) { return 2 * n; } }

const describe = (e) => ({ name: e.name, message: e.message, class: e.constructor.name, error: e instanceof Error, code: e.code, detail: e.detail, cause: e.cause && String(e.cause), errors: e.errors?.map(String), string: String(e) });
const bytes = (n) => { let left = n; return new ReadableStream({ type: "bytes", pull(c) { if (left <= 0) return c.close(); const k = Math.min(left, 65536); left -= k; c.enqueue(new Uint8Array(k)); } }); };

const cases = {
  add: (s) => s.add(2, 3),
  version: (s) => s.version(),
  props: (s) => s.props(),
  async callback(s) { return await s.callBack((i) => i * 10, 5); },
  async target(s) { return await s.useTarget(new Doubler()); },
  async counter(s) { using c = await s.counter(); await c.increment(); await c.increment(5); return await c.value; },
  async pipelined(s) { return await s.counter().child().increment(7); },
  async stub(s) { using c = await s.counter(); using again = await s.echo(c); await again.increment(3); return await c.value; },
  async streamOut(s) { let n = 0; for await (const chunk of await s.stream(64, 65536)) n += chunk.byteLength; return n; },
  async streamIn(s) { return await s.count(bytes(4 << 20)); },
  async streamBack(s) { let n = 0; for await (const chunk of await s.echo(bytes(1 << 20))) n += chunk.byteLength; return n; },
  async reflected(s) { const add = await s.echo((n) => n + 1); const target = await s.echo(new Doubler()); return [await add(41), await target.double(4)]; },
  async big(s) { const text = "x".repeat(10 << 20); return (await s.echo(text)) === text; },
  async response(s) { const r = await s.response(); return [r.status, r.headers.get("x-y"), await r.text()]; },
  async request(s) { return await s.request(new Request("https://example.test/p", { method: "POST", headers: { "x-a": "b" }, body: "posted" })); },
  async errors(s) {
    const out = {};
    for (const kind of ["TypeError", "RangeError", "custom", "cause", "aggregate", "string"]) {
      try { await s.fail(kind); out[kind] = "nothing thrown"; } catch (e) { out[kind] = describe(e); }
    }
    return out;
  },
  async attempt(s) { try { return await s.version(); } catch (e) { return describe(e); } },
  async slow(s, q) { return await s.slow(+q.get("ms")); },
  async latency(s, q) {
    const n = +q.get("n"); for (let i = 0; i < 50; i++) await s.add(1, 2);
    const t = Date.now(); for (let i = 0; i < n; i++) await s.add(i, 1); return (1000 * (Date.now() - t)) / n;
  },
  async many(s, q) {
    const n = +q.get("n"); const seen = {}; let errors = [];
    const one = async () => { for (let i = 0; i < n; i++) { try { const v = await s.version(); seen[v] = (seen[v] ?? 0) + 1; } catch (e) { errors.push(String(e)); } } };
    await Promise.all(Array.from({ length: +q.get("width") }, one));
    return { seen, errors };
  },
  async heldFor(s, q) { using c = await s.counter(); await c.increment(); await scheduler.wait(+q.get("ms")); return await c.increment(); },
  async refused(s) { const r = await s.fetch("http://callee.test/"); return [r.status, await r.text()]; },
  async fetch(s) {
    const r = await s.fetch("https://callee.test/path?q=1", { method: "POST", body: "sent", headers: { "x-a": "b" }, cf: { colo: "TST" } });
    return { status: r.status, ...(await r.json()) };
  },
  async echo(s) {
    const r = await s.fetch("http://callee.test/echo", { method: "POST", body: bytes(3 << 20), headers: { "content-type": "x/y" } });
    let n = 0; for await (const chunk of r.body) n += chunk.byteLength;
    return { status: r.status, text: r.statusText, n, header: r.headers.get("x-a"), cookies: r.headers.getSetCookie() };
  },
  async drip(s) { const r = await s.fetch("http://callee.test/drip"); const out = []; for await (const chunk of r.body) out.push(new TextDecoder().decode(chunk)); return out; },
  async none(s) { const r = await s.fetch("http://callee.test/none"); return [r.status, r.body]; },
  async head(s) { const r = await s.fetch("http://callee.test/x", { method: "HEAD" }); return [r.status, await r.text()]; },
  async throws(s) { try { const r = await s.fetch("http://callee.test/throw"); return [r.status, await r.text()]; } catch (e) { return describe(e); } },
  async events(s) {
    const out = {};
    for (const address of ["callee.test:80", "svc-named:1"]) {
      try { await s.connect(address).opened; out[address] = "opened"; } catch (e) { out[address] = String(e); }
    }
    for (const event of ["scheduled", "queue", "email", "tail", "alarm"]) {
      try { await s[event]({}); out[event] = "taken"; } catch (e) { out[event] = String(e); }
    }
    return out;
  },
  async hangInCall(s) { return await s.hang(); },
  async reflectedMany(s, q) {
    const n = +q.get("n");
    for (let i = 0; i < n; i++) { using add = await s.echo((n) => n + 1); await add(i); }
    return n;
  },
  async hang(s) { return await s.fetch("http://callee.test/hang"); },
  async ticks(s) { return +(await (await s.fetch("http://callee.test/ticks")).text()); },
  async upload(s) { return +(await (await s.fetch("http://callee.test/count", { method: "POST", body: bytes(3 << 20) })).text()); },
  async flood(s) { return (await (await s.fetch("http://callee.test/flood")).arrayBuffer()).byteLength; },
  async forever(s) { const r = await s.fetch("http://callee.test/forever"); const reader = r.body.getReader(); await reader.read(); await reader.cancel(); return "cancelled"; },
  async socket(s) {
    const r = await s.fetch("http://callee.test/ws", { headers: { upgrade: "websocket" } });
    const ws = r.webSocket; ws.binaryType = "arraybuffer"; ws.accept();
    const out = [r.status, r.headers.get("x-socket")];
    const closed = new Promise((done) => ws.addEventListener("close", (e) => done([e.code, e.reason])));
    const next = () => new Promise((done) => ws.addEventListener("message", (e) => done(typeof e.data === "string" ? e.data : e.data.byteLength), { once: true }));
    for (const message of ["hi", new Uint8Array(300000), "y".repeat(100000)]) { const answer = next(); ws.send(message); const a = await answer; out.push(a.length > 100 ? a.length : a); }
    ws.send("close"); out.push(await closed);
    return out;
  },
};

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const [, binding, name] = url.pathname.split("/");
    try { return Response.json((await cases[name](env[binding], url.searchParams)) ?? null); }
    catch (e) { return Response.json({ uncaught: describe(e) }, { status: 500 }); }
  },
};
