export default {
  async fetch(request: Request, env: Record<string, unknown>): Promise<Response> {
    const { VERSION, ...rest } = env as { VERSION?: { id: string; tag: string; timestamp: string } };
    if (new URL(request.url).pathname === "/version") {
      const { id, tag, timestamp } = VERSION!;
      return Response.json({ uuid: /^[0-9a-f-]{36}$/.test(id), tag, recent: Date.now() - Date.parse(timestamp) < 3.6e6 });
    }
    return Response.json(rest);
  },
};
