// `?binding=LIMIT&options={"key":"k"}&times=4`: what as many calls give, one after the other.
export default {
  async fetch(request, env) {
    const { searchParams } = new URL(request.url);
    if (!searchParams.has("binding")) return new Response("ratelimit");
    const limit = env[searchParams.get("binding")];
    const options = searchParams.has("options") ? JSON.parse(searchParams.get("options")) : undefined;
    const answers = [];
    for (let call = 0; call < Number(searchParams.get("times") ?? 1); call += 1) {
      try {
        const { success } = await limit.limit(options);
        answers.push(success);
      } catch (error) {
        answers.push(`${error.name}: ${error.message}`);
      }
    }
    return Response.json(answers);
  },
};
