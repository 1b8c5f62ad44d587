// The guide's samples for Analytics Engine: a point for each request as it stands there (line 2280), a purchase with one
// index where the guide has two, which drop the point (line 2320). `query()` does not exist: the SQL endpoint answers.
export default {
  async fetch(request, env, ctx) {
    const start = Date.now();
    const url = new URL(request.url);
    const response = await handleRequest(url, env);
    ctx.waitUntil(
      env.ANALYTICS.writeDataPoint({
        blobs: [request.method, url.pathname, String(response.status)],
        doubles: [Date.now() - start],
        indexes: [request.cf?.colo],
      }),
    );
    return response;
  },
};

async function handleRequest(url, env) {
  switch (url.pathname) {
    case "/purchase":
      await env.purchases.writeDataPoint({
        indexes: [url.searchParams.get("user")],
        blobs: ["product-xyz"],
        doubles: [Number(url.searchParams.get("price"))],
      });
      return new Response("bought");
    case "/two-indexes":
      env.purchases.writeDataPoint({ indexes: ["user123", "purchase"], doubles: [1] });
      return new Response("dropped silently");
    case "/many":
      for (let at = 0; at < 400; at++) env.purchases.writeDataPoint({ indexes: ["many"], doubles: [at] });
      return new Response("more than an invocation may");
    case "/bytes":
      env.purchases.writeDataPoint({ indexes: ["bytes"], blobs: [new TextEncoder().encode("as bytes"), null, "x"] });
      return new Response("bytes");
    default:
      return new Response("no such page", { status: 404 });
  }
}
