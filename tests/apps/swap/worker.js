// Uploaded many times over by e2e_swap.rs, which puts the number of the upload in the place of "BUILD".
const BUILD = "BUILD";
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    switch (url.pathname) {
      case "/slow":
        await pause(2500);
        return new Response("slow");
      case "/stream": {
        const { readable, writable } = new TransformStream();
        const write = async () => {
          const writer = writable.getWriter();
          for (let i = 0; i < 10; i++) {
            await writer.write(new TextEncoder().encode(`${i}\n`));
            await pause(100);
          }
          await writer.close();
        };
        ctx.waitUntil(write());
        return new Response(readable);
      }
      case "/later":
        ctx.waitUntil(pause(5000).then(() => fetch(`http://recorder.internal/${url.search}`)));
        return new Response("later");
      case "/call":
        return new Response(await env.SELF.greet("you"));
      case "/socket": {
        const { 0: client, 1: server } = new WebSocketPair();
        server.accept();
        server.addEventListener("message", (event) => server.send(event.data));
        return new Response(null, { status: 101, webSocket: client });
      }
      default:
        return new Response(BUILD);
    }
  },
};

import { WorkerEntrypoint } from "cloudflare:workers";

export class Greeter extends WorkerEntrypoint {
  greet(name) {
    return `hello ${name}`;
  }
}
