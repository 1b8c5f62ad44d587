import { WorkerEntrypoint } from "cloudflare:workers";

const cases = {
  "/log"() {
    console.log("a needle", { in: "hay" });
    console.warn("careful");
  },
  "/json"() { console.log({ user_id: 123, kind: "json" }); },
  "/throw"() { throw new RangeError("thrown in fetch"); },
  async "/call"(env) { await env.SELF.shout("said in a call"); },
  // The process does not outlive these.
  "/loop"() { for (;;); },
  "/heap"() { for (const kept = []; ;) kept.push(new Array(1e5).fill(kept.length)); },
  "/drip"() {
    const { readable, writable } = new TransformStream();
    const drip = async (writer) => {
      for (;;) {
        await writer.write(new TextEncoder().encode("drop"));
        await scheduler.wait(20);
      }
    };
    drip(writable.getWriter()).catch(() => {});
    return new Response(readable);
  },
  "/long"() { for (let i = 0; i < 20; i++) console.log(`${i} ` + "x".repeat(2000)); },
};

export default {
  async fetch(request, env) {
    const answer = await cases[new URL(request.url).pathname]?.(env);
    return answer ?? new Response(`${request.method}\n`);
  },
  scheduled({ cron }) {
    console.log("on time");
    if (cron === "1 1 1 1 *") for (;;);
  },
};

export class Shouter extends WorkerEntrypoint {
  shout(text) { console.log(text); return text.toUpperCase(); }
}
