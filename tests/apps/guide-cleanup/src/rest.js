let made = 0;

/** What it stands for is a number: a socket belongs to the request that opened it, and cannot be pooled by an isolate. */
export class Connection {
  number = ++made;
}

export async function createTempFile(env) {
  const key = `temp/${crypto.randomUUID()}`;
  await env.FILES.put(key, 'scratch');
  return { key, list: () => env.FILES.list(), delete: () => env.FILES.delete(key) };
}

export const deleteTempFile = file => file.delete();

export async function processRequest(request, { connection, tempFile }) {
  const { searchParams } = new URL(request.url);
  if (searchParams.has('left')) {
    const { objects } = await tempFile.list();
    return Response.json(objects.map(object => object.key).filter(key => key !== tempFile.key));
  }
  const from = Date.now();
  await scheduler.wait(Number(searchParams.get('ms') ?? 0));
  if (searchParams.has('fail')) throw new Error('the work fails');
  return Response.json({ connection: connection.number, made, file: tempFile.key, from, to: Date.now() });
}
