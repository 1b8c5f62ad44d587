export default {
  async fetch(request: Request, { CALLEE, ADMIN }: Record<string, any>): Promise<Response> {
    const fetched = await CALLEE.fetch("http://anything/path", { method: "POST", body: "hello" });
    const counter = await ADMIN.counter();
    await counter.add(1);
    const streamed = await new Response(await ADMIN.stream()).text();
    return Response.json({
      fetched: await fetched.text(),
      sum: await CALLEE.add(2, 3),
      admin: await ADMIN.whoAmI(),
      counter: await counter.add(10),
      callBack: await ADMIN.callBack(async (word: string) => `${word} pong`),
      failure: await ADMIN.fail().catch((error: Error) => `${error.name}: ${error.message}`),
      streamed: streamed.length,
    });
  },
};
