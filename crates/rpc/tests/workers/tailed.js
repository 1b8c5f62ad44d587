import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";

const tasks = {
  "/log"(request, env, ctx) {
    console.log("hi", { a: 1 }, [2], null, undefined, "ü");
    console.warn("careful");
    console.error(new TypeError("logged"));
    console.debug("detail");
    console.info("info");
    ctx.waitUntil((async () => { await scheduler.wait(20); console.log("later"); })());
    return new Response("logged", { status: 201 });
  },
  "/throw"() { throw new RangeError("thrown here"); },
  "/reject"(request, env, ctx) {
    ctx.waitUntil(Promise.reject(new Error("rejected later")));
    return new Response("ok");
  },
  "/flood"() {
    for (let i = 0; i < 300; i++) console.log("x".repeat(2000));
    return new Response("flooded");
  },
  async "/call"(request, env) { return new Response(await env.NAMED.shout("hello")); },
  async "/object"(request, env) {
    const id = env.OBJECT.idFromName("one");
    return new Response(await env.OBJECT.get(id).shout("from the object"));
  },
  "/quiet"() { return new Response("quiet"); },
};

export default {
  fetch(request, env, ctx) { return tasks[new URL(request.url).pathname](request, env, ctx); },
};

export class Named extends WorkerEntrypoint {
  shout(text) { console.log(text); return text.toUpperCase(); }
}

export class Room extends DurableObject {
  shout(text) { console.log(text); return text.toUpperCase(); }
}
