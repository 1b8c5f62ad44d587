export default {
  async fetch(request, env) {
    const name = new URL(request.url).searchParams.get("name") ?? "World";
    return Response.json({ message: `${env.GREETING}, ${name}!` });
  },
};
