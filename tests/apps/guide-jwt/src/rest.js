export async function signIn(request, auth) {
  return new Response(await auth.sign(await request.json()));
}

export function handleAuthenticatedRequest(request, claims) {
  return Response.json({ path: new URL(request.url).pathname, claims });
}
