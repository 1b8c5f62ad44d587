import { RpcTarget, WorkerEntrypoint } from "cloudflare:workers";

class Counter extends RpcTarget {
  #value = 0;
  add(n: number) {
    return (this.#value += n);
  }
}

export default class extends WorkerEntrypoint<{ SIGN: string }> {
  async fetch(request: Request) {
    return new Response(`${this.env.SIGN} got ${request.method} ${new URL(request.url).pathname}: ${await request.text()}`);
  }
  async add(a: number, b: number) {
    return a + b;
  }
}

export class Admin extends WorkerEntrypoint<{ SIGN: string }, { role: string }> {
  async whoAmI() {
    return { sign: this.env.SIGN, role: this.ctx.props.role };
  }
  async counter() {
    return new Counter();
  }
  async callBack(f: (x: string) => Promise<string>) {
    return `called back: ${await f("ping")}`;
  }
  async fail() {
    throw new RangeError("no such thing");
  }
  async stream() {
    return new Response("streamed ".repeat(1000)).body;
  }
}
