// The guide has this below the sample above; `onRequest` twice in one file is a syntax error, so it is a file of its own.
// 中间件示例
export const onRequest = [
  authMiddleware,
  loggingMiddleware,
  handleRequest
];

// What the guide leaves out.
async function authMiddleware(context) {
  if (context.request.headers.get("authorization") === null) return new Response("who are you?", { status: 401 });
  context.data.user = "ann";
  return context.next();
}

async function loggingMiddleware(context) {
  const response = await context.next();
  response.headers.set("x-logged", `${context.request.method} ${response.status}`);
  return response;
}

async function handleRequest(context) {
  const request = new Request(context.request);
  request.headers.set("x-user", context.data.user);
  return context.next(request);
}
