// The guide's API gateway and its RateLimiter (its lines 852-941), as written. `rest.js` has what they leave out.
import { authenticate, checkRateLimit, logRequest } from './rest.js';

// API 网关实现
export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);

    // 认证
    const auth = await authenticate(request, env);
    if (!auth.valid) {
      return new Response('Unauthorized', { status: 401 });
    }

    // 限流
    const rateLimitOk = await checkRateLimit(auth.userId, env);
    if (!rateLimitOk) {
      return new Response('Too Many Requests', { status: 429 });
    }

    // 路由到不同的后端服务
    const routes = {
      '/api/users': 'https://users-service.internal',
      '/api/orders': 'https://orders-service.internal',
      '/api/products': 'https://products-service.internal'
    };

    for (const [path, backend] of Object.entries(routes)) {
      if (url.pathname.startsWith(path)) {
        // 添加追踪头
        const headers = new Headers(request.headers);
        headers.set('X-Request-ID', crypto.randomUUID());
        headers.set('X-User-ID', auth.userId);

        // 转发请求
        const backendUrl = backend + url.pathname.slice(path.length);
        const response = await fetch(backendUrl, {
          method: request.method,
          headers,
          body: request.body
        });

        // 记录日志
        ctx.waitUntil(
          logRequest(request, response, auth.userId, env)
        );

        return response;
      }
    }

    return new Response('Not Found', { status: 404 });
  }
};

// 限流实现（使用 Durable Objects）
export class RateLimiter {
  constructor(state) {
    this.state = state;
    this.limiter = {};
  }

  async fetch(request) {
    const { userId, limit = 100, window = 60 } = await request.json();
    const now = Date.now();
    const windowStart = now - window * 1000;

    // 清理过期记录
    if (!this.limiter[userId]) {
      this.limiter[userId] = [];
    }

    this.limiter[userId] = this.limiter[userId].filter(
      time => time > windowStart
    );

    // 检查限制
    if (this.limiter[userId].length >= limit) {
      return new Response(JSON.stringify({
        allowed: false,
        retryAfter: this.limiter[userId][0] + window * 1000 - now
      }));
    }

    // 记录请求
    this.limiter[userId].push(now);

    return new Response(JSON.stringify({
      allowed: true,
      remaining: limit - this.limiter[userId].length
    }));
  }
}
