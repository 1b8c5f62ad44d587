interface Env {
  GREETING: string;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const name: string = new URL(request.url).searchParams.get("name") ?? "World";
    return Response.json({ message: `${env.GREETING}, ${name}!` });
  },
};
