/** Who holds the key that a request carries. */
export async function authenticate(request, env) {
  const key = request.headers.get('Authorization')?.replace('Bearer ', '');
  const userId = key && await env.KEYS.get(`key:${key}`);
  return { valid: Boolean(userId), userId };
}

export async function checkRateLimit(userId, env) {
  const limiter = env.RATE_LIMITER.get(env.RATE_LIMITER.idFromName(userId));
  const answer = await limiter.fetch('https://limiter/', {
    method: 'POST',
    body: JSON.stringify({ userId, limit: env.LIMIT, window: env.WINDOW }),
  });
  return (await answer.json()).allowed;
}

export async function logRequest(request, response, userId, env) {
  await env.DB.prepare('INSERT INTO log (user, method, path, status) VALUES (?, ?, ?, ?)')
    .bind(userId, request.method, new URL(request.url).pathname, response.status)
    .run();
}
