// Makes one of the calls of cases.json and says what came of it. What each must give, in their order, stands there as
// data, so that the same worker shows on `wrangler dev` where Hearth differs from it.
import cases from "./cases.json";

const now = () => Math.floor(Date.now() / 1000);

// What JSON cannot say: {"$repeat": ["a", 513]}, {"$bytes": 1000}, {"$stream": [sizes]}, {"$in": seconds}.
function given(value) {
  if (Array.isArray(value)) return value.map(given);
  if (value === null || typeof value !== "object") return value;
  if ("$repeat" in value) return value.$repeat[0].repeat(value.$repeat[1]);
  if ("$bytes" in value) return filled(value.$bytes);
  if ("$in" in value) return now() + value.$in;
  if ("$stream" in value) {
    const sizes = [...value.$stream];
    return new ReadableStream({
      type: "bytes",
      pull(controller) {
        if (sizes.length === 0) controller.close();
        else controller.enqueue(filled(sizes.shift()));
      },
    });
  }
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, given(one)]));
}

function filled(size) {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 1) bytes[at] = at % 251;
  return bytes;
}

// Large values by their length and a sum, times by their distance from now.
async function told(value) {
  if (typeof value === "string") return value.length > 100 ? { $text: value.length } : value;
  if (value instanceof ReadableStream) return { $stream: await told(await new Response(value).arrayBuffer()) };
  if (value instanceof ArrayBuffer) {
    const bytes = new Uint8Array(value);
    return { $bytes: bytes.length, $sum: bytes.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7) };
  }
  if (value instanceof Map) return { $map: await told(Object.fromEntries(value)) };
  if (Array.isArray(value)) return Promise.all(value.map(told));
  if (value === undefined) return { $undefined: true };
  if (value === null || typeof value !== "object") return value;
  const all = await Promise.all(
    Object.entries(value).map(async ([key, one]) => {
      if (key === "expiration") return [key, { $in: Math.round((one - now()) / 10) * 10 }];
      if (key === "cursor") return [key, { $cursor: one.length > 0 }];
      return [key, await told(one)];
    }),
  );
  return Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)));
}

// Every key that a list finds, page by page.
async function pages(kv, options) {
  const found = [];
  let cursor;
  for (let page = 0; page < 100; page += 1) {
    const list = await kv.list({ ...options, cursor });
    found.push(list.keys.map((key) => key.name));
    if (list.list_complete) return found;
    cursor = list.cursor;
  }
  throw new Error("the list has no end");
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const key = url.searchParams.get("key");
    if (url.pathname === "/get") return new Response(await env.KV.get(key, "stream"));
    if (url.pathname === "/put") {
      try {
        await env.KV.put(key, request.body, { metadata: { by: "worker" } });
        return new Response("ok");
      } catch (error) {
        return new Response(error.message, { status: 500 });
      }
    }
    const { call, args } = cases[Number(url.searchParams.get("case"))];
    try {
      const made = call === "pages" ? pages(env.KV, given(args[0])) : env.KV[call](...given(args));
      return Response.json({ gives: await told(await made) });
    } catch (error) {
      return Response.json({ throws: `${error.name}: ${error.message}` });
    }
  },
};
