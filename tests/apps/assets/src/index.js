export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname.startsWith("/through")) {
      url.pathname = url.pathname.slice("/through".length) || "/";
      const response = await env.ASSETS.fetch(new Request(url, request));
      return new Response(response.body, { status: response.status, headers: [...response.headers, ["x-through", "1"]] });
    }
    if (url.pathname === "/made") {
      const response = await env.ASSETS.fetch("https://assets.local/blog/");
      return new Response((await response.text()).toUpperCase());
    }
    return new Response(`worker ${request.method} ${url.pathname}`);
  },
};
