export class RateLimiter {
  async fetch() {
    return new Response("limited");
  }
}

interface Env {
  RATE_LIMITER: DurableObjectNamespace;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (new URL(request.url).pathname === "/limited") {
      return env.RATE_LIMITER.get(env.RATE_LIMITER.idFromName("one")).fetch(request);
    }
    return Response.json(env);
  },

  async queue() {},

  async scheduled() {},
};
