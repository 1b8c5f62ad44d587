export class RateLimiter {
  async fetch() {
    return new Response("limited");
  }
}

export default {
  async fetch(request: Request, env: Record<string, unknown>): Promise<Response> {
    return Response.json(env);
  },
};
