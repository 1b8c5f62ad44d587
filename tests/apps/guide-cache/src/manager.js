// The guide's CacheManager (its line 2405), as it is written, but for where its API is (ZONE_ID and the address come from
// `env`) and for what a purge takes: a prefix without its scheme is Cloudflare's; with it Hearth takes it too.
export class CacheManager {
  constructor(env, ctx) {
    this.env = env;
    this.ctx = ctx;
    this.cache = caches.default;
  }

  async get(key, fetcher, options = {}) {
    const { ttl = 3600, staleWhileRevalidate = false, cacheControl = "public, max-age=3600" } = options;

    // L1: 内存缓存（请求级别）
    if (this.memoryCache?.[key]) {
      return this.memoryCache[key];
    }

    // L2: Edge Cache
    const cacheKey = new Request(`https://cache.local/${key}`);
    let cached = await this.cache.match(cacheKey);

    if (cached) {
      const age = Date.now() - new Date(cached.headers.get("date")).getTime();

      if (staleWhileRevalidate && age > ttl * 1000) {
        // 返回过期内容，后台更新
        this.ctx.waitUntil(this.refresh(key, fetcher, cacheKey));
        return cached;
      }

      return cached;
    }

    // L3: KV 缓存
    const kvData = await this.env.CACHE_KV.get(key);
    if (kvData) {
      const response = new Response(kvData, {
        headers: {
          "Content-Type": "application/json",
          "Cache-Control": cacheControl,
        },
      });

      // 更新 Edge Cache
      await this.cache.put(cacheKey, response.clone());

      return response;
    }

    // 获取新数据
    const data = await fetcher();
    const response = new Response(JSON.stringify(data), {
      headers: {
        "Content-Type": "application/json",
        "Cache-Control": cacheControl,
      },
    });

    // 更新所有缓存层
    this.ctx.waitUntil(
      Promise.all([
        this.cache.put(cacheKey, response.clone()),
        this.env.CACHE_KV.put(key, JSON.stringify(data), {
          expirationTtl: ttl,
        }),
      ]),
    );

    // 更新内存缓存
    this.memoryCache = this.memoryCache || {};
    this.memoryCache[key] = response.clone();

    return response;
  }

  async invalidate(pattern) {
    // 清理 KV
    const keys = await this.env.CACHE_KV.list({ prefix: pattern });
    await Promise.all(keys.keys.map((k) => this.env.CACHE_KV.delete(k.name)));

    // Edge Cache 需要通过 API 清理
    return fetch(`${this.env.API}/client/v4/zones/${this.env.ZONE_ID}/purge_cache`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${this.env.CF_API_TOKEN}`,
        "Content-Type": "application/json",
      },
      body: JSON.stringify({
        prefixes: [`https://cache.local/${pattern}`],
      }),
    });
  }
}
