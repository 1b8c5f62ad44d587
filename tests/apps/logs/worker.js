import { WorkerEntrypoint } from "cloudflare:workers";

const cases = {
  "/log"(request, env, ctx) {
    console.log("said in fetch", { n: 1 });
    console.warn("said as a warning\n2026-01-01T00:00:00Z  INFO access: a forged line");
    ctx.waitUntil((async () => { await scheduler.wait(30); console.error("said in waitUntil", new TypeError("an error")); })());
    return new Response("logged");
  },
  "/throw"() {
    console.log("said before the throw");
    throw new RangeError("thrown in fetch");
  },
  "/reject"(request, env, ctx) {
    ctx.waitUntil(Promise.reject(new Error("rejected in waitUntil")));
    return new Response("answered");
  },
  async "/call"(request, env) { return new Response(await env.SELF.shout("said in a call")); },
  "/quiet"() { return new Response("quiet"); },
  "/loop"() { console.log("said before the end"); for (;;); },
  "/flood"() {
    for (let i = 0; i < 200; i++) console.log(`flood ${i} ` + "x".repeat(1000));
    return new Response("flooded");
  },
};

export default {
  fetch(request, env, ctx) { return cases[new URL(request.url).pathname](request, env, ctx); },
};

export class Shouter extends WorkerEntrypoint {
  shout(text) { console.log(text); return text.toUpperCase(); }
}
