"""The part `cache` of `bench/events.py`: a request that is answered from the cache against one that a worker answers by
itself, and single calls against `wrangler dev`."""

import http.client
import http.server
import statistics
import threading
import time

from spine import Hearth, quantile, report
from state import LOOP, compare, dev_target, hearth_target

SOURCE = LOOP + """
const sizes = { small: 100, medium: 64 << 10, large: 1 << 20 };
const key = (name, n) => `https://bench.test/${name}/${n}`;
const put = (name, n) =>
  caches.default.put(key(name, n), new Response("x".repeat(sizes[name]), { headers: { "cache-control": "max-age=3600" } }));
const read = async (response) => (await response.arrayBuffer()).byteLength;
export default {
  async fetch(request) {
    const url = new URL(request.url);
    const [op, origin] = [url.searchParams.get("op"), url.searchParams.get("origin")];
    if (op === "plain") return new Response("x".repeat(100));
    if (op === "answer") return (await caches.default.match(key("small", 0))) ?? new Response("miss", { status: 500 });
    if (op?.startsWith("match-")) {
      const name = op.slice(6);
      return loop(url, async (n) => {
        const found = await caches.default.match(key(name, n));
        if (!found || (await read(found)) !== sizes[name]) throw new Error("not there");
      });
    }
    if (op?.startsWith("put-")) return loop(url, (n) => put(op.slice(4), n));
    if (op === "fetch") return loop(url, async () => read(await fetch(origin, { cf: { cacheTtl: 3600 } })));
    if (op === "uncached") return loop(url, async () => read(await fetch(origin)));
    return new Response("done");
  },
};
"""


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body go together: as two writes, the second waits 40 ms for the client's kernel to acknowledge the first.
    wbufsize = -1

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"x" * 100)

    def log_message(self, *_):
        pass


def latencies(target, op, n):
    """Microseconds of each of `n` requests, one after the other on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=60)
    taken = []
    for _ in range(n):
        began = time.perf_counter()
        connection.request("GET", f"/?op={op}", headers={"Host": target.host})
        response = connection.getresponse()
        body = response.read()
        taken.append((time.perf_counter() - began) * 1e6)
        if (response.status, len(body)) != (200, 100):
            raise SystemExit(f"{op}: {response.status} {body[:100]}")
    connection.close()
    return taken


def cache(quick):
    rounds = 3 if quick else 9
    hearth = Hearth()
    ours = hearth_target(hearth, "cache", SOURCE, [])
    dev = dev_target(SOURCE, {})
    origin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    port = origin.server_address[1]
    rules = {"allow": [{"net": "127.0.0.1/32", "ports": [port]}], "hosts": {}}
    hearth.api("PUT", "/installation/egress", rules)
    try:
        for target in (ours, dev):
            for size in ("small", "medium", "large"):
                target.time(f"put-{size}", 10)
        latencies(ours, "plain", 200), latencies(ours, "answer", 200)
        lines = []
        for _ in range(rounds):
            plain, hit = (quantile(latencies(ours, op, 500), 0.5) for op in ("plain", "answer"))
            lines.append((plain, hit, hit - plain, hit / plain))
        plain, hit, more, ratio = (statistics.median(column) for column in zip(*lines))
        report(f"A request answered from the cache, p50 ({hit:.0f}, plain {plain:.0f} us)", f"+{more:.0f} us, {ratio:.2f} x", "-")
        for size, what in (("small", "100 bytes"), ("medium", "64 KB"), ("large", "1 MB")):
            (a, b), (of_dev,) = compare([ours, dev], f"match-{size}", (1000, 100), rounds)
            report(f"cache.match of {what} ({a:.0f}, dev {b:.0f} us)", f"{1 / of_dev:.1f} x dev", ">= 5 x")
        (a, b), (of_dev,) = compare([ours, dev], "put-small", (500, 100), rounds)
        report(f"cache.put of 100 bytes ({a:.0f}, dev {b:.0f} us)", f"{1 / of_dev:.1f} x dev", ">= 2 x")
        where = {"origin": f"http://127.0.0.1:{port}/a"}
        lines = [[ours.time(op, 500, **where) for op in ("fetch", "uncached")] for _ in range(rounds + 1)][1:]
        cached, uncached = (statistics.median(column) for column in zip(*lines))
        report(f"fetch answered from the cache ({cached:.0f}, uncached {uncached:.0f} us)", f"{cached / uncached:.2f} x", "< 1")
    finally:
        ours.stop()
        dev.stop()
