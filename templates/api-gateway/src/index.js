// Sends each path to the service that ROUTES names for its beginning, the longest one first.
// ROUTES is JSON: {"/users": "http://users.corp.internal", "/orders": "http://orders.corp.internal/v2"}
function find(routes, pathname) {
  const prefixes = Object.keys(routes).sort((a, b) => b.length - a.length);
  return prefixes.find((prefix) => pathname === prefix || pathname.startsWith(`${prefix}/`));
}

export default {
  async fetch(request, env) {
    const routes = JSON.parse(env.ROUTES);
    const url = new URL(request.url);
    const prefix = find(routes, url.pathname);
    if (prefix === undefined) {
      return Response.json({ error: "no route", routes: Object.keys(routes) }, { status: 404 });
    }
    const target = new URL(routes[prefix] + url.pathname.slice(prefix.length) + url.search);
    const forwarded = new Request(target, request);
    forwarded.headers.set("X-Request-Id", request.headers.get("cf-ray") ?? crypto.randomUUID());
    try {
      return await fetch(forwarded);
    } catch (error) {
      console.error("the service does not answer", prefix, error);
      return Response.json({ error: "bad gateway", route: prefix }, { status: 502 });
    }
  },
};
