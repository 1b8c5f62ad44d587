interface Post {
  id: string;
  text: string;
}

export class Counter {
  constructor(private state: DurableObjectState) {}

  async fetch(): Promise<Response> {
    const count = ((await this.state.storage.get<number>('count')) ?? 0) + 1;
    await this.state.storage.put('count', count);
    return Response.json(count);
  }
}

export async function handleUsers(request: Request, env: Env): Promise<Response> {
  if (request.headers.get('X-API-Key') !== env.API_KEY) return new Response('Forbidden', { status: 403 });
  const { results } = await env.MY_DB.prepare('SELECT name FROM users ORDER BY id').all();
  return Response.json(results);
}

/** POST keeps a post and has it indexed later; GET says what was. */
export async function handlePosts(request: Request, env: Env): Promise<Response> {
  if (request.method === 'POST') {
    const post = await request.json<Post>();
    const counter = env.MY_DO.get(env.MY_DO.idFromName('posts'));
    const number = await (await counter.fetch('https://counter/')).json();
    await env.MY_BUCKET.put(`posts/${post.id}`, post.text);
    await env.MY_QUEUE.send({ id: post.id });
    return Response.json({ number }, { status: 202 });
  }
  const { results } = await env.MY_DB.prepare('SELECT id, words FROM posts ORDER BY id').all();
  const { keys } = await env.MY_KV.list({ prefix: 'old:' });
  return Response.json({ posts: results, old: keys.map(key => key.name) });
}

export async function processMessage(message: Message<{ id: string }>, env: Env): Promise<void> {
  const post = await env.MY_BUCKET.get(`posts/${message.body.id}`);
  const words = (await post!.text()).split(' ').length;
  await env.MY_DB.prepare('INSERT INTO posts (id, words) VALUES (?, ?)').bind(message.body.id, words).run();
}

export async function cleanupOldData(env: Env): Promise<void> {
  const { keys } = await env.MY_KV.list({ prefix: 'old:' });
  await Promise.all(keys.map(key => env.MY_KV.delete(key.name)));
}
