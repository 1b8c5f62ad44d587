export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname.startsWith("/through/")) {
      url.pathname = url.pathname.slice("/through".length);
      return env.ASSETS.fetch(new Request(url, request));
    }
    const headers = { "x-worker": "1", "content-type": url.searchParams.get("as") ?? "text/plain" };
    return new Response(`worker ${request.method} ${url.pathname}${url.search}`, { headers });
  },
};
