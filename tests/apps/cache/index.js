// Makes one of the calls of cases.json and says what came of it. What each must give, in their order, stands there as
// data, so that the same worker shows on `wrangler dev` where Hearth differs from it.
import cases from "./cases.json";

// Its URLs are below a host that nobody serves: a key needs none.
const BASE = "https://cases.test";

function filled(size) {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 1) bytes[at] = at % 251;
  return bytes;
}

function body(call) {
  if (call.bytes) return filled(call.bytes);
  if (!call.stream) return call.body ?? null;
  const all = filled(call.stream);
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= all.length) return controller.close();
      controller.enqueue(all.subarray(at, at + 50000));
      at += 50000;
    },
  });
}

function request(call) {
  if (call.raw) return call.raw;
  return new Request(BASE + call.url, { method: call.method, headers: call.with, cf: call.cf });
}

// A response by its status and the headers that a case asks for, the body as text or by length and sum.
async function told(value, only) {
  if (value === undefined) return { $undefined: true };
  if (!(value instanceof Response)) return value;
  const found = { status: value.status };
  const bytes = new Uint8Array(await value.arrayBuffer());
  const small = bytes.length < 100;
  const text = small
    ? new TextDecoder().decode(bytes)
    : { $bytes: bytes.length, $sum: bytes.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7) };
  if (!only || only.includes("body")) found.body = text;
  for (const [name, one] of value.headers) {
    if (only ? only.includes(name) : !["content-length", "content-type", "accept-ranges"].includes(name)) {
      found[name] = !only && ["age", "date"].includes(name) ? one.length > 0 : one;
    }
  }
  return found;
}

async function run(call) {
  const cache = call.cache ? await caches.open(call.cache) : caches.default;
  const match = async () => (await cache.match(request(call), call.options)) ?? null;
  switch (call.call) {
    case "match":
      return match();
    case "delete":
      return cache.delete(request(call), call.options);
    default: {
      const init = { status: call.status, headers: call.headers };
      const put = await cache.put(request(call), new Response(body(call), init));
      return call.call === "put" ? put : match();
    }
  }
}

// For other tests: what a query says, on the default cache.
const others = {
  async put(url, search) {
    const headers = { "cache-control": search.get("cc") ?? "max-age=600" };
    if (search.has("tag")) headers["cache-tag"] = search.get("tag");
    await caches.default.put(url, new Response(search.get("body") ?? "x".repeat(Number(search.get("size"))), { headers }));
    return "put";
  },
  async match(url) {
    const found = await caches.default.match(url);
    return found ? found.text() : "miss";
  },
  async delete(url) {
    return `${await caches.default.delete(url)}`;
  },
  async fetch(url, search) {
    const response = await fetch(url, {
      cf: JSON.parse(search.get("cf") ?? "{}"),
      cache: search.get("mode") ?? undefined,
      headers: JSON.parse(search.get("headers") ?? "{}"),
    });
    return `${response.status} ${response.headers.get("cf-cache-status")} ${await response.text()}`;
  },
};

export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/run") {
      const call = cases[Number(searchParams.get("case"))];
      try {
        return Response.json({ gives: await told(await run(call), call.only) });
      } catch (error) {
        return Response.json({ throws: `${error.name}: ${error.message}` });
      }
    }
    const other = others[pathname.slice(1)];
    return other ? new Response(await other(searchParams.get("url"), searchParams)) : new Response("cache");
  },
};
