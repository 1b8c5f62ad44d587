import { BatchProcessor, RequestCoalescer } from './concurrency.js';

// Requests meet in the isolate.
const coalescer = new RequestCoalescer();

class Batches extends BatchProcessor {
  sizes = [];

  processBatch(items) {
    this.sizes.push(items.length);
    return super.processBatch(items);
  }
}

const pieces = {
  // What is shared is a text. A Response belongs to the request that fetched it: see `response`.
  async text({ url }) {
    return coalescer.fetch(url, async () => (await fetch(url)).text());
  },

  async response({ url }) {
    const response = await coalescer.fetch(`response of ${url}`, () => fetch(url));
    return response.clone().text();
  },

  // Items of one request: the runtime ends a request that waits for nothing but another one's batch.
  async batch({ items, options }) {
    const batches = new Batches(options);
    const results = await Promise.allSettled(items.map(item => batches.add(item)));
    return { results: results.map(({ value, reason }) => value ?? `refused: ${reason.message}`), sizes: batches.sizes };
  },
};

export default {
  // POST /<piece> with its arguments as JSON.
  async fetch(request) {
    try {
      return Response.json(await pieces[new URL(request.url).pathname.slice(1)](await request.json()));
    } catch (error) {
      return new Response(`${error.name}: ${error.message}`, { status: 500 });
    }
  },
};
