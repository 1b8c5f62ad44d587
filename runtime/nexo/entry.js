// The entry of a function of /api/functions: calls its `handler` and makes a response of what that returns.
import * as code from "function.js";

const handler = code.handler ?? code.default;
if (typeof handler !== "function") throw new TypeError("the code defines no function named `handler`");

// The request's headers, each also a property in lower case.
const asProperties = {
  get(headers, name) {
    const own = Reflect.get(headers, name, headers);
    if (typeof own === "function") return own.bind(headers);
    if (own !== undefined || typeof name !== "string") return own;
    return headers.get(name) ?? undefined;
  },
};

function respond(result) {
  if (result instanceof Response) return result;
  if (result === undefined || result === null) return new Response(null, { status: 204 });
  if (typeof result === "string") return new Response(result);
  if (result instanceof ArrayBuffer || ArrayBuffer.isView(result)) {
    return new Response(result, { headers: { "Content-Type": "application/octet-stream" } });
  }
  if (result instanceof ReadableStream) return new Response(result);
  const text = JSON.stringify(result);
  if (text === undefined) throw new TypeError(`the handler returned a ${typeof result}, which is no JSON`);
  return new Response(text, { headers: { "Content-Type": "application/json" } });
}

export default {
  async fetch(request, bindings) {
    try {
      const body = await request.text();
      const seen = {
        url: request.url,
        method: request.method,
        headers: new Proxy(request.headers, asProperties),
        body,
        json: () => JSON.parse(body),
      };
      const env = { get: (key) => bindings[key] };
      return respond(await handler(seen, { env }));
    } catch (error) {
      console.error(error?.stack ?? error);
      return Response.json({ error: String(error) }, { status: 500 });
    }
  },
};
