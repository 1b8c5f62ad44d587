import { RequestDeduplicator, SmartCache, compressResponse } from './requests.js';

const TEXT = 'a line of text\n'.repeat(2000);

const pieces = {
  async compress(request) {
    const response = new Response(TEXT, { headers: { 'Content-Type': 'text/csv', 'X-Kept': 'yes' } });
    return compressResponse(response, request.headers.get('X-Encodings') ?? '');
  },

  async brotli() {
    return new Response(new CompressionStream('br').readable);
  },

  async dedupe(request, env) {
    let handled = false;
    const result = await new RequestDeduplicator(env).process(new URL(request.url).searchParams.get('id'), async () => {
      handled = true;
      return { answer: 42 };
    });
    return Response.json({ handled, result });
  },

  // What the cache is told of a response: POST {method, status, headers}.
  async smart(request) {
    const { method, status, headers } = await request.json();
    const response = new Response(null, { status, headers });
    const cache = new SmartCache();
    const should = await cache.shouldCache(new Request(request.url, { method }), response);
    return Response.json({ should, seconds: cache.getCacheDuration(response) });
  },

  // What an origin answers, kept as long as it is told: GET ?url=.
  async kept(request) {
    const url = new URL(request.url).searchParams.get('url');
    const kept = await caches.default.match(url);
    if (kept) return new Response(kept.body, { headers: { 'X-From': 'cache', 'X-Kept': kept.headers.get('Cache-Control') } });
    const cache = new SmartCache();
    const response = await fetch(url);
    if (await cache.shouldCache(new Request(url), response)) {
      const copy = new Response(response.clone().body, response);
      copy.headers.set('Cache-Control', `max-age=${cache.getCacheDuration(response)}`);
      await caches.default.put(url, copy);
    }
    return new Response(response.body, { status: response.status, headers: { 'X-From': 'origin' } });
  },
};

export default {
  async fetch(request, env) {
    try {
      return await pieces[new URL(request.url).pathname.slice(1)](request, env);
    } catch (error) {
      return new Response(`${error.name}: ${error.message}`, { status: 500 });
    }
  },
};
