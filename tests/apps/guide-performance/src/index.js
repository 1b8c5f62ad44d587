// The guide's PerformanceTracker (its lines 2341-2392), as written. `measure` does not await what it is given, so of an
// async function it sees the part before the first wait.

// 性能追踪
class PerformanceTracker {
  constructor() {
    this.metrics = [];
  }

  measure(name, fn) {
    const start = performance.now();
    const result = fn();
    const duration = performance.now() - start;

    this.metrics.push({
      name,
      duration,
      timestamp: Date.now()
    });

    return result;
  }

  async flush(env) {
    if (this.metrics.length === 0) return;

    await env.METRICS_KV.put(
      `metrics:${Date.now()}`,
      JSON.stringify(this.metrics),
      { expirationTtl: 86400 * 7 } // 7天
    );
  }
}

// 使用示例
export default {
  async fetch(request, env, ctx) {
    const tracker = new PerformanceTracker();

    // 测量数据库查询
    const data = await tracker.measure('db_query', async () => {
      return env.DB.prepare('SELECT * FROM users').all();
    });

    // 测量 API 调用
    const apiResult = await tracker.measure('api_call', async () => {
      return fetch('https://api.example.com/data');
    });

    // 异步刷新指标
    ctx.waitUntil(tracker.flush(env));

    return new Response(JSON.stringify(data));
  }
};
