import { note } from "./notes.js";

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/note") return new Response(await note(env.NOTES, request));
    if (pathname === "/mode") return Response.json({ mode: env.MODE, secret: env.SECRET ?? null });
    const response = await env.ASSETS.fetch(request);
    return new Response(response.body, { status: response.status, headers: { ...Object.fromEntries(response.headers), "x-worker": "1" } });
  },
};
