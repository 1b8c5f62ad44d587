#!/usr/bin/env python3
"""Measures what it costs a worker to be seen, as ratios against the same worker unseen in the same run.

    bench/tail.py [--quick]

HEARTH_BASELINE, where it is set, names a binary without live tails and kept logs: the unseen worker is held against it.
Environment: HEARTH_BIN, HEARTH_WORKERD (set by the Makefile).
"""

import argparse
import base64
import os
import socket
import statistics
import threading

import spine
from spine import Hearth, report, wrk

SOURCES = {
    "quiet": "export default { fetch() { return new Response('Hello, world!\\n') } }\n",
    "logs": "export default { fetch() { console.log('hello'); return new Response('Hello, world!\\n') } }\n",
    "teller": "export default { fetch() { return new Response('Hello, world!\\n') } }\n",
    "told": "export default { tail() {}, fetch() { return new Response('ok') } }\n",
}


class Viewer:
    """A tail with somebody who reads it and does nothing with it."""

    def __init__(self, hearth, worker, filters=()):
        path = f"/accounts/{hearth.account}/workers/scripts/{worker}/tails"
        self.tail = hearth.api("POST", path, {"filters": list(filters)})
        self.end = lambda: hearth.api("DELETE", f"{path}/{self.tail['id']}")
        self.socket = socket.create_connection(("127.0.0.1", hearth.port))
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /tail/{self.tail['id']} HTTP/1.1\r\nHost: localhost:{hearth.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Protocol: trace-v1\r\n\r\n".encode()
        )
        assert b" 101 " in self.socket.recv(4096).split(b"\r\n")[0]
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while self.socket.recv(1 << 20):
            pass


def settings(hearth, worker, **values):
    hearth.api("PATCH", f"/accounts/{hearth.account}/workers/scripts/{worker}/script-settings", values)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    rounds, seconds = (3, 2) if quick else (7, 4)

    # One server for each way to be seen, so that every round can have all of them.
    servers = {}

    def serve(way, worker):
        server = servers[way] = (Hearth(), worker)
        for name, source in SOURCES.items():
            server[0].deploy(name, source)
        return server[0]

    serve("unseen", "quiet")
    serve("unseen, logs", "logs")
    viewers = [
        Viewer(serve("watched, nothing shown", "quiet"), "quiet", [{"header": {"key": "x-none"}}]),
        Viewer(serve("watched", "quiet"), "quiet"),
        Viewer(serve("watched, logs", "logs"), "logs"),
    ]
    settings(serve("kept", "quiet"), "quiet", observability={"enabled": True})
    settings(serve("kept, 1 in 100", "quiet"), "quiet", observability={"enabled": True, "head_sampling_rate": 0.01})
    settings(serve("tail worker", "teller"), "teller", tail_consumers=[{"service": "told"}])
    baseline = os.environ.get("HEARTH_BASELINE")
    if baseline:
        ours, spine.BIN = spine.BIN, baseline
        serve("baseline", "quiet")
        spine.BIN = ours

    rates = {way: [] for way in servers}
    ways = list(servers)
    for way, (server, worker) in servers.items():
        wrk(server.port, server.host(worker), 32, 1)
    for number in range(rounds):
        # Another one is first in each round.
        for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
            server, worker = servers[way]
            rates[way].append(wrk(server.port, server.host(worker), 32, seconds)[0])

    def ratio(way, against):
        return statistics.median(one / other for one, other in zip(rates[way], rates[against]))

    unseen = statistics.median(rates["unseen"])
    if baseline:
        report(f"unseen ({unseen:.0f} req/s) against a build without it", f"{ratio('unseen', 'baseline'):.2f}", ">= 0.98")
    for way, text in [
        ("watched, nothing shown", "watched with a filter that nothing passes"),
        ("watched", "watched"),
        ("kept", "its logs kept"),
        ("kept, 1 in 100", "its logs kept, of one in a hundred"),
        ("tail worker", "told to a tail worker"),
    ]:
        report(f"{text}, against unseen ({unseen:.0f} req/s)", f"{ratio(way, 'unseen'):.2f}", "-")
    logs = statistics.median(rates["unseen, logs"])
    report(f"watched, a line each, against unseen ({logs:.0f} req/s)", f"{ratio('watched, logs', 'unseen, logs'):.2f}", "-")
    for viewer in viewers:
        viewer.end()
    for server, _ in servers.values():
        server.stop()


if __name__ == "__main__":
    main()
