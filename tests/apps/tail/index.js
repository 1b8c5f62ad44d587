import { WorkerEntrypoint } from "cloudflare:workers";

const cases = {
  "/log"() {
    console.log("a needle", { in: "hay" });
    console.warn("careful");
  },
  "/json"() { console.log({ user_id: 123, kind: "json" }); },
  "/throw"() { throw new RangeError("thrown in fetch"); },
  async "/call"(env) { await env.SELF.shout("said in a call"); },
  "/long"() { for (let i = 0; i < 20; i++) console.log(`${i} ` + "x".repeat(2000)); },
};

export default {
  async fetch(request, env) {
    await cases[new URL(request.url).pathname]?.(env);
    return new Response(`${request.method}\n`);
  },
  scheduled() { console.log("on time"); },
};

export class Shouter extends WorkerEntrypoint {
  shout(text) { console.log(text); return text.toUpperCase(); }
}
