import { CircuitBreaker, RetryHandler } from './resilience.js';

// A breaker remembers what failed, so it outlives a request: it belongs to the isolate.
const breakers = new Map();

function breaker(name, options) {
  if (!breakers.has(name)) breakers.set(name, new CircuitBreaker(options));
  return breakers.get(name);
}

async function call(url) {
  const response = await fetch(url);
  if (!response.ok) {
    const error = new Error(`the origin says ${response.status}`);
    error.status = response.status;
    throw error;
  }
  return response.text();
}

export default {
  // POST /retry {url, options}, POST /breaker {name, url, options}.
  async fetch(request) {
    const { name, url, options } = await request.json();
    try {
      if (new URL(request.url).pathname === '/retry') {
        return Response.json({ result: await new RetryHandler(options).execute(() => call(url)) });
      }
      const result = await breaker(name, options).execute(() => call(url));
      return Response.json({ result, state: breaker(name).state });
    } catch (error) {
      return Response.json({ error: error.message, state: breakers.get(name)?.state }, { status: 502 });
    }
  },
};
