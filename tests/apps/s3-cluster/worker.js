import { DurableObject } from "cloudflare:workers";

// Counts, in storage that a cluster keeps in its bucket.
export class Counter extends DurableObject {
  async fetch() {
    const count = ((await this.ctx.storage.get("count")) ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    return new Response(String(count));
  }
}

export default {
  fetch(request, env) {
    return env.COUNTER.get(env.COUNTER.idFromName("one")).fetch(request);
  },
};
