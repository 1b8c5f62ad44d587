#!/usr/bin/env python3
"""Measures what SPECIFICATION.md promises of events, beside `wrangler dev`.

    bench/events.py [--quick] [only …]      only: queues cache

Every figure is a median of alternating rounds. Environment: HEARTH_BIN, HEARTH_WORKERD (set by the Makefile).
"""

import argparse
import http.client
import json
import statistics
import time

from cache import cache
from spine import Hearth, report
from state import dev_target, hearth_target

# Sends `n` messages in batches of 100 and `width` lanes; counts what comes.
QUEUES_SOURCE = """
let received = 0;
const BATCH = Array.from({ length: 100 }, (_, n) => ({ body: { n, text: "x".repeat(80) }, contentType: "json" }));
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const read = (name, or) => Number(url.searchParams.get(name) ?? or);
    if (url.searchParams.get("op") === "left") {
      const { backlogCount } = await env.Q.metrics();
      return Response.json({ received, backlogCount });
    }
    let left = read("n", 0) / BATCH.length;
    const lane = async () => {
      while (left-- > 0) await env.Q.sendBatch(BATCH);
    };
    await Promise.all(Array.from({ length: read("width", 8) }, lane));
    return new Response("done");
  },
  queue(batch) {
    received += batch.messages.length;
  },
};
"""

SETTINGS = {"max_batch_size": 100, "max_batch_timeout": 1}


def left(target):
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=60)
    connection.request("GET", "/?op=left", headers={"Host": target.host})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def end_to_end(target, n, is_over):
    """Messages per second from the first send until the last one is consumed, and while they are only sent."""
    began = time.perf_counter()
    target.time("send", n, width=8)
    sent = time.perf_counter() - began
    deadline = began + 300
    while not is_over(left(target)):
        if time.perf_counter() > deadline:
            raise SystemExit(f"{target.name}: {left(target)} of {n} after 300 s")
        time.sleep(0.005)
    return n / (time.perf_counter() - began), n / sent


def queues(quick):
    hearth = Hearth()
    path = f"/accounts/{hearth.account}/queues"
    hearth.api("POST", path, {"queue_name": "bench"})
    queue = hearth.api("GET", f"{path}?name=bench")[0]["queue_id"]
    ours = hearth_target(hearth, "queues", QUEUES_SOURCE, [{"type": "queue", "name": "Q", "queue_name": "bench"}])
    settings = {"batch_size": 100, "max_wait_time_ms": 1000}
    consumer = {"type": "worker", "script_name": "queues", "settings": settings}
    hearth.api("POST", f"{path}/{queue}/consumers", consumer)
    consumers = [{"queue": "bench", **SETTINGS}]
    dev = dev_target(QUEUES_SOURCE, {"queues": {"producers": [{"binding": "Q", "queue": "bench"}], "consumers": consumers}})
    rounds = 2 if quick else 5
    try:
        of_ours, of_dev, sent, total = [], [], [], 0
        end_to_end(ours, 1000, lambda state: state["backlogCount"] == 0)
        for _ in range(rounds):
            # Ours is over when each acknowledgement is on disk, the other when each message has come.
            rate, sending = end_to_end(ours, 20_000, lambda state: state["backlogCount"] == 0)
            of_ours.append(rate)
            sent.append(sending)
            total += 5_000
            of_dev.append(end_to_end(dev, 5_000, lambda state: state["received"] >= total)[0])
        rate, peer = statistics.median(of_ours), statistics.median(of_dev)
        report("queue messages end to end, batches of 100", f"{rate:.0f}/s", ">= 5000/s")
        report("  sent by 8 lanes of sendBatch meanwhile", f"{statistics.median(sent):.0f}/s", "-")
        report(f"  against wrangler dev ({peer:.0f}/s, which keeps nothing on disk)", f"{rate / peer:.1f} x", "-")
    finally:
        ours.stop()
        dev.stop()


ALL = [queues, cache]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see that it works, not to quote")
    parser.add_argument("only", nargs="*", help="names of the parts to run")
    options = parser.parse_args()
    for part in ALL:
        if not options.only or part.__name__ in options.only:
            part(options.quick)


if __name__ == "__main__":
    main()
