// Sends what it is told to, does with a message what its body says, and remembers what came.
const seen = [];

// What JSON cannot hold stands in it as an object with one key that begins with `$`.
const decode = (value) => {
  if (value === null || typeof value !== "object") return value;
  if ("$bytes" in value) return new Uint8Array(value.$bytes);
  if ("$map" in value) return new Map(value.$map);
  if ("$date" in value) return new Date(value.$date);
  if ("$long" in value) return "x".repeat(value.$long);
  return value;
};

const encode = (value) => {
  if (value instanceof ArrayBuffer) return { $bytes: [...new Uint8Array(value)] };
  if (value instanceof Uint8Array) return { $bytes: [...value] };
  if (value instanceof Map) return { $map: [...value] };
  if (value instanceof Date) return { $date: value.getTime() };
  return value;
};

const outcome = async (call) => {
  try {
    return Response.json({ gives: await call() });
  } catch (error) {
    return Response.json({ throws: `${error.name}: ${error.message}` });
  }
};

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/seen") return Response.json(seen);
    if (pathname === "/metrics") return outcome(() => env.MAIN.metrics());
    if (pathname === "/") return new Response("ready");
    const { to = "MAIN", body, messages, options } = JSON.parse(decodeURIComponent(pathname.slice(1)));
    if (messages === undefined) return outcome(() => env[to].send(decode(body), options));
    const decoded = messages.map((message) => ({ ...message, body: decode(message.body) }));
    return outcome(() => env[to].sendBatch(decoded, options));
  },

  async queue(batch) {
    let thrown = false;
    for (const message of batch.messages) {
      const { body, attempts } = message;
      seen.push({ queue: batch.queue, body: encode(body), attempts, id: message.id, size: batch.messages.length });
      if (!(message.timestamp instanceof Date) || Math.abs(message.timestamp - Date.now()) > 60_000) {
        seen.push({ wrong: `a timestamp of ${message.timestamp}` });
      }
      if (batch.queue === "queues-dead") continue;
      switch (body?.do) {
        case "retry":
          if (attempts <= body.times) message.retry(body.options);
          break;
        case "ack and throw":
          message.ack();
          thrown = true;
          break;
        case "throw":
          thrown = true;
          break;
        case "retry all":
          if (attempts === 1) batch.retryAll(body.options);
          break;
        case "ack all and throw":
          batch.ackAll();
          thrown = true;
          break;
      }
    }
    if (thrown) throw new Error("as the message wants");
  },
};
