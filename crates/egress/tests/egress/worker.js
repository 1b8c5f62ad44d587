import { connect } from "cloudflare:sockets";

async function readAll(stream) {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) text += chunk;
  return text;
}

export default { async fetch(request) {
  const url = new URL(request.url);
  const to = url.searchParams.get("to");
  switch (url.pathname) {
    case "/fetch":
      return fetch(to, { method: request.method, headers: request.headers, body: request.body, cf: { cacheTtl: 5 } });
    case "/websocket": {
      const socket = new WebSocket(to);
      const messages = [];
      const closed = new Promise(resolve => socket.addEventListener("close", event => resolve(event.code)));
      socket.addEventListener("open", () => socket.send("one"));
      socket.addEventListener("message", event => {
        messages.push(event.data);
        if (messages.length === 1) socket.send("two"); else socket.close(1000, "done");
      });
      return Response.json({ closed: await closed, messages });
    }
    case "/upgrade": {
      const response = await fetch(to, { headers: { Upgrade: "websocket" } });
      return Response.json({ status: response.status, socket: response.webSocket !== null });
    }
    case "/connect": {
      try {
        const socket = connect(to);
        const writer = socket.writable.getWriter();
        await writer.write(new TextEncoder().encode("ping"));
        await writer.close();
        return new Response(await readAll(socket.readable));
      } catch (error) {
        return new Response(error.message, { status: 502 });
      }
    }
  }
} };
