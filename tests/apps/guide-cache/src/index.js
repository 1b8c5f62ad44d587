// Both caches, over an origin that counts how often it was asked. `x-from` says which level answered.
import { CacheManager } from "./manager.js";
import { CacheStrategy } from "./strategy.js";

let fetched = 0;
const origin = async () => ({ fetched: ++fetched });

function from(response) {
  if (response.headers.get("cf-cache-status") === "HIT") return "edge";
  return response.headers.has("cache-control") ? "origin" : "kv";
}

async function answer(request, env, ctx) {
  const { pathname } = new URL(request.url);
  const name = pathname.split("/").pop();
  if (pathname.startsWith("/strategy/")) {
    return new CacheStrategy({ ...env, ctx }).get(`product:${name}`, origin);
  }
  if (pathname.startsWith("/manager/")) return new CacheManager(env, ctx).get(name, origin);
  const { key, pattern, token } = await request.json();
  if (pathname === "/forget") return new Response(`${await caches.default.delete(`https://cache.local/${key}`)}`);
  return new CacheManager({ ...env, CF_API_TOKEN: token }, ctx).invalidate(pattern);
}

export default {
  async fetch(request, env) {
    // What the samples leave to `waitUntil` is over when the answer is there, so that the next request finds it.
    const pending = [];
    const response = await answer(request, env, { waitUntil: (promise) => pending.push(promise) });
    await Promise.all(pending);
    const told = new Response(response.body, response);
    told.headers.set("x-from", from(response));
    return told;
  },
};
