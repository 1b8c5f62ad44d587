// The guide's KV snippet (its lines 334-370). Each piece stands as it is written, in a function that gives it what it
// takes from elsewhere; where it cannot run as written, a comment says what differs.

const pieces = {
  async write(env, { data }) {
    // 基础操作
    await env.MY_KV.put('key', 'value');
    await env.MY_KV.put('json-key', JSON.stringify(data));
    await env.MY_KV.put('key-with-ttl', 'value', {
      expirationTtl: 60 * 60 * 24, // 24小时
    });
  },

  async read(env) {
    // 读取
    const value = await env.MY_KV.get('key');
    const jsonValue = await env.MY_KV.get('json-key', 'json');
    const streamValue = await env.MY_KV.get('large-key', 'stream');

    let streamed = 0;
    for await (const chunk of streamValue) streamed += chunk.length;
    return { value, jsonValue, streamed };
  },

  // Differs: the cursor is the one of the page before, and absent for the first; the guide writes 'next-cursor', which
  // no list has given and which is refused (`listAsWritten`).
  async list(env, { cursor }) {
    // 列表操作
    const list = await env.MY_KV.list({
      prefix: 'user:',
      limit: 100,
      cursor
    });
    return list;
  },

  async listAsWritten(env) {
    return env.MY_KV.list({
      prefix: 'user:',
      limit: 100,
      cursor: 'next-cursor'
    });
  },

  async remove(env, { keysToDelete }) {
    // 批量删除
    for (const key of keysToDelete) {
      await env.MY_KV.delete(key);
    }
  },

  async metadata(env) {
    // 带元数据存储
    await env.MY_KV.put('key', 'value', {
      metadata: {
        created: Date.now(),
        author: 'user123'
      }
    });

    const { value, metadata } = await env.MY_KV.getWithMetadata('key');
    return { value, metadata };
  },
};

export default {
  // POST /<piece> with its arguments as JSON.
  async fetch(request, env) {
    const piece = pieces[new URL(request.url).pathname.slice(1)];
    if (!piece) return new Response('no such piece', { status: 404 });
    try {
      return Response.json((await piece(env, await request.json())) ?? null);
    } catch (error) {
      return new Response(`${error.name}: ${error.message}`, { status: 500 });
    }
  },
};
