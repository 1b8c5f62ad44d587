// The guide's "multi-level cache" (its line 930), as it is written.
export class CacheStrategy {
  constructor(env) {
    this.env = env;
  }

  async get(key, fetcher) {
    // 1. 尝试从边缘缓存获取
    const cacheKey = new Request(`https://cache.local/${key}`);
    const cache = caches.default;
    let response = await cache.match(cacheKey);

    if (response) {
      console.log("Cache hit: edge cache");
      return response;
    }

    // 2. 尝试从 KV 获取
    const kvData = await this.env.CACHE_KV.get(key);
    if (kvData) {
      console.log("Cache hit: KV");
      response = new Response(kvData, {
        headers: { "Content-Type": "application/json" },
      });

      // 更新边缘缓存
      await cache.put(cacheKey, response.clone());
      return response;
    }

    // 3. 从源获取数据
    console.log("Cache miss: fetching from origin");
    const data = await fetcher();

    // 4. 更新所有缓存层
    response = new Response(JSON.stringify(data), {
      headers: {
        "Content-Type": "application/json",
        "Cache-Control": "public, max-age=300", // 5分钟
      },
    });

    // 异步更新缓存
    this.env.ctx.waitUntil(
      Promise.all([
        cache.put(cacheKey, response.clone()),
        this.env.CACHE_KV.put(key, JSON.stringify(data), {
          expirationTtl: 3600, // 1小时
        }),
      ]),
    );

    return response;
  }
}
