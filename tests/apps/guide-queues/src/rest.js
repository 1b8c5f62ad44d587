// The producer's other paths: POST /message sends any message; GET /outbox and /failed_messages show what came of them.
export async function other(request, env) {
  const table = new URL(request.url).pathname.slice(1);
  if (request.method === 'POST') {
    await env.MY_QUEUE.send(await request.json());
    return new Response('Queued');
  }
  if (table !== 'outbox' && table !== 'failed_messages') return new Response('Not Found', { status: 404 });
  return Response.json((await env.DB.prepare(`SELECT * FROM ${table} ORDER BY rowid`).all()).results);
}

async function post(kind, to, text, env) {
  await env.DB.prepare('INSERT INTO outbox (kind, recipient, text) VALUES (?, ?, ?)').bind(kind, to, text).run();
}

export const sendEmail = (to, subject, env) => post('email', to, subject, env);

export const sendSMS = (to, text, env) => post('sms', to, text, env);

export async function callWebhook(url, data) {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(data) });
  if (!response.ok) throw new Error(`the webhook says ${response.status}`);
}
