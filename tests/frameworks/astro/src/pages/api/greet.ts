import type { APIRoute } from "astro";

export const POST: APIRoute = async ({ request }) => {
  const { name } = await request.json();
  return Response.json({ greeting: `Hello, ${name}!` });
};
