// The guide's D1 snippet (its lines 434-488). Each piece stands as it is written, in a function of its own; the tables
// `accounts` and `transactions`, which it uses and does not make, come from `migrations/`.

const pieces = {
  async create(env) {
    // 创建表
    await env.DB.prepare(`
      CREATE TABLE IF NOT EXISTS users (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        email TEXT UNIQUE NOT NULL,
        name TEXT,
        created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
        metadata JSON
      )
    `).run();
  },

  async insert(env) {
    // 插入数据
    const stmt = env.DB.prepare(
      'INSERT INTO users (email, name, metadata) VALUES (?, ?, ?)'
    );
    const result = await stmt.bind(
      'user@example.com',
      'John Doe',
      JSON.stringify({ role: 'admin' })
    ).run();
    return result;
  },

  async query(env) {
    // 查询数据
    const users = await env.DB.prepare(
      'SELECT * FROM users WHERE created_at > ? ORDER BY id DESC LIMIT ?'
    ).bind('2024-01-01', 10).all();
    return users;
  },

  async transfer(env) {
    // 事务处理
    return await env.DB.batch([
      env.DB.prepare('UPDATE accounts SET balance = balance - ? WHERE id = ?')
        .bind(100, 'account1'),
      env.DB.prepare('UPDATE accounts SET balance = balance + ? WHERE id = ?')
        .bind(100, 'account2'),
      env.DB.prepare('INSERT INTO transactions (from_id, to_id, amount) VALUES (?, ?, ?)')
        .bind('account1', 'account2', 100)
    ]);
  },

  async json(env) {
    // 使用 JSON 函数
    const jsonQuery = await env.DB.prepare(`
      SELECT
        id,
        name,
        json_extract(metadata, '$.role') as role,
        json_extract(metadata, '$.permissions') as permissions
      FROM users
      WHERE json_extract(metadata, '$.role') = 'admin'
    `).all();
    return jsonQuery;
  },

  async index(env) {
    // 全文搜索
    await env.DB.prepare(`
      CREATE VIRTUAL TABLE posts_fts USING fts5(title, content);
    `).run();
  },

  async search(env) {
    const searchResults = await env.DB.prepare(`
      SELECT * FROM posts_fts WHERE posts_fts MATCH ?
    `).bind('cloudflare workers').all();
    return searchResults;
  },
};

export default {
  // GET /<piece>.
  async fetch(request, env) {
    const piece = pieces[new URL(request.url).pathname.slice(1)];
    if (!piece) return new Response('no such piece', { status: 404 });
    try {
      return Response.json((await piece(env)) ?? null);
    } catch (error) {
      return new Response(error.message, { status: 500 });
    }
  },
};
