// What hostile code does, a path each. Uploaded by e2e_hostile.rs with a CPU limit of 200 ms.
export default {
  async fetch(request) {
    switch (new URL(request.url).pathname) {
      case "/loop":
        for (;;);
      case "/heap": {
        const kept = [];
        for (;;) kept.push(new Array(1000).fill(Math.random()));
      }
      case "/buffers": {
        const kept = [];
        for (let i = 0; i < 200; i++) kept.push(new Uint8Array(10 << 20).fill(1));
        return new Response(`${kept.length}`);
      }
      case "/regex":
        return new Response(String(/^(a+)+$/.test("a".repeat(50) + "!")));
      case "/timers":
        for (let i = 0; i < 100_000; i++) setTimeout(() => {}, 60_000);
        return new Response("timers");
      case "/yielding":
        for (;;) {
          const end = Date.now() + 1;
          for (let i = 0; i < 1e5; i++) Math.sqrt(i);
          await scheduler.wait(0);
          if (end < 0) break;
        }
      case "/headers": {
        const headers = new Headers();
        for (let i = 0; i < 20_000; i++) headers.append(`x-flood-${i}`, "y".repeat(100));
        return new Response("headers", { headers });
      }
      case "/body": {
        const chunk = new Uint8Array(1 << 20);
        let left = 512;
        return new Response(
          new ReadableStream({
            pull(controller) {
              if (left-- === 0) controller.close();
              else controller.enqueue(chunk);
            },
          }),
        );
      }
      default:
        return new Response("well");
    }
  },
};
