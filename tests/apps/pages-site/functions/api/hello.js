export function onRequestGet({ env, functionPath }) {
  const { CF_PAGES, CF_PAGES_BRANCH, CF_PAGES_URL } = env;
  const own = { GREETING: env.GREETING ?? null, SECRET: env.SECRET ?? null };
  return Response.json({ functionPath, CF_PAGES, CF_PAGES_BRANCH, CF_PAGES_URL, ...own });
}

export async function onRequestPost({ request }) {
  return new Response((await request.text()).toUpperCase(), { status: 201 });
}
