// The guide's request optimisations (its lines 2852-2936). Where they cannot run as written, a comment says what differs.

// 请求去重
export class RequestDeduplicator {
  constructor(env) {
    this.env = env;
  }

  async process(requestId, handler) {
    // 检查是否已处理
    const existing = await this.env.KV.get(`req:${requestId}`);
    if (existing) {
      return JSON.parse(existing);
    }

    // 处理请求
    const result = await handler();

    // 缓存结果（防止重复处理）
    await this.env.KV.put(
      `req:${requestId}`,
      JSON.stringify(result),
      { expirationTtl: 3600 }
    );

    return result;
  }
}

// 响应压缩
export function compressResponse(response, acceptEncoding) {
  const { readable, writable } = new TransformStream();

  let compressionStream;
  let encoding;

  // Differs: there, `br` comes first, which no CompressionStream knows.
  if (acceptEncoding.includes('gzip')) {
    compressionStream = new CompressionStream('gzip');
    encoding = 'gzip';
  } else if (acceptEncoding.includes('deflate')) {
    compressionStream = new CompressionStream('deflate');
    encoding = 'deflate';
  } else {
    return response;
  }

  response.body.pipeTo(compressionStream.writable);
  compressionStream.readable.pipeTo(writable);

  return new Response(readable, {
    // Differs: without this, a body that says it is encoded is encoded once more on its way out.
    encodeBody: 'manual',
    headers: {
      ...Object.fromEntries(response.headers),
      'Content-Encoding': encoding
    }
  });
}

// 智能缓存
export class SmartCache {
  async shouldCache(request, response) {
    // 不缓存的条件
    if (request.method !== 'GET') return false;
    if (response.status !== 200) return false;
    if (response.headers.get('Cache-Control')?.includes('no-store')) return false;

    // 基于内容大小决定
    const size = response.headers.get('Content-Length');
    if (size && parseInt(size) > 5 * 1024 * 1024) return false; // > 5MB

    return true;
  }

  getCacheDuration(response) {
    const contentType = response.headers.get('Content-Type');

    // 基于内容类型的缓存策略
    if (contentType?.includes('image/')) return 86400 * 30; // 30天
    if (contentType?.includes('text/css')) return 86400 * 7; // 7天
    if (contentType?.includes('application/javascript')) return 86400 * 7;
    if (contentType?.includes('text/html')) return 300; // 5分钟

    return 3600; // 默认1小时
  }
}
