// Starts and watches the instances of another worker's workflow.
export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    const id = searchParams.get("id");
    if (pathname === "/create") return Response.json((await env.ORDER.create({ id, params: { count: 4 } })).id);
    const instance = await env.ORDER.get(id);
    if (pathname === "/event") await instance.sendEvent({ type: "approval", payload: "from afar" });
    return Response.json(await instance.status());
  },
};
