// Runs before every function, and before a file that a function lets through.
export async function onRequest(context) {
  context.data.seen = [new URL(context.request.url).pathname];
  const response = await context.next();
  response.headers.set("x-middleware", context.data.seen.join(","));
  return response;
}
