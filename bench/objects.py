#!/usr/bin/env python3
"""Measures Durable Objects beside `wrangler dev` and beside bare workerd on the same disk (the floor).

    bench/objects.py [--quick] [only …]      only: counter fanout

Every figure is a median of alternating rounds. Environment: HEARTH_BIN, HEARTH_WORKERD (set by the Makefile).
"""

import argparse
import asyncio
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

from spine import DATE, WORKERD, Hearth, free_port, report, wait_for
from state import Target, compare, dev_target

SOURCE = """
import { DurableObject } from "cloudflare:workers";
export class Room extends DurableObject {
  async add() {
    const n = ((await this.ctx.storage.get("n")) ?? 0) + 1;
    await this.ctx.storage.put("n", n);
    return n;
  }
  read() {
    return this.ctx.storage.get("n");
  }
  fetch() {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }
  webSocketMessage(socket, message) {
    for (const other of this.ctx.getWebSockets()) other.send(message);
  }
}
export default {
  async fetch(request, env) {
    const room = env.ROOM.getByName("bench");
    if (request.headers.get("upgrade")) return room.fetch(request);
    const url = new URL(request.url);
    const read = (name, or) => Number(url.searchParams.get(name) ?? or);
    let left = read("n", 0);
    const lane = async () => {
      while (left-- > 0) await (url.searchParams.get("op") === "read" ? room.read() : room.add());
    };
    await Promise.all(Array.from({ length: read("width", 1) }, lane));
    return new Response("done");
  },
};
"""

CLIENTS = 1000


def hearth_target():
    hearth = Hearth()
    metadata = {
        "main_module": "index.js",
        "compatibility_date": DATE,
        "bindings": [{"type": "durable_object_namespace", "name": "ROOM", "class_name": "Room"}],
        "migrations": {"new_tag": "v1", "new_sqlite_classes": ["Room"]},
    }
    body = (
        f'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{json.dumps(metadata)}\r\n'
        '--b\r\nContent-Disposition: form-data; name="index.js"; filename="index.js"\r\n'
        f"Content-Type: application/javascript+module\r\n\r\n{SOURCE}\r\n--b--\r\n"
    )
    scripts = f"/accounts/{hearth.account}/workers/scripts/objects"
    hearth.api("PUT", scripts, body, "multipart/form-data; boundary=b")
    hearth.api("POST", f"{scripts}/subdomain", {"enabled": True})
    return Target("hearth", hearth.port, hearth.host("objects"), hearth.stop)


def floor_target():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hearth-bench-"))
    (folder / "do").mkdir()
    port = free_port()
    (folder / "index.js").write_text(SOURCE)
    (folder / "config.capnp").write_text(
        'using W = import "/workerd/workerd.capnp";\n'
        'const config :W.Config = (services = [(name = "main", worker = (modules = [(name = "index.js", '
        f'esModule = embed "index.js")], compatibilityDate = "{DATE}", '
        'durableObjectNamespaces = [(className = "Room", uniqueKey = "room", enableSql = true)], '
        'durableObjectStorage = (localDisk = "do"), bindings = [(name = "ROOM", durableObjectNamespace = "Room")])), '
        f'(name = "do", disk = (path = "{folder}/do", writable = true))], '
        f'sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "main")]);\n'
    )
    process = subprocess.Popen([WORKERD, "serve", "config.capnp"], cwd=folder)

    def stop():
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    wait_for(port, "/?n=0")
    return Target("bare workerd", port, f"localhost:{port}", stop)


def targets():
    settings = {
        "durable_objects": {"bindings": [{"name": "ROOM", "class_name": "Room"}]},
        "migrations": [{"tag": "v1", "new_sqlite_classes": ["Room"]}],
    }
    return [hearth_target(), dev_target(SOURCE, settings), floor_target()]


def counter(quick):
    all_targets = targets()
    rounds, n = (2, 100) if quick else (7, 1000)
    try:
        for operation, width in [("add", 1), ("add", 32), ("read", 1)]:
            medians, ratios = compare(all_targets, operation, [n] * len(all_targets), rounds, width=width)
            report(f"Durable Object, {operation}, {width} at a time", f"{medians[0]:.0f} us", "-")
            for target, median, ratio in zip(all_targets[1:], medians[1:], ratios):
                report(f"  against {target.name} ({median:.0f} us)", f"{ratio:.2f} x its time", "-")
    finally:
        for target in all_targets:
            target.stop()


async def connect(target):
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    writer.write(
        f"GET /socket HTTP/1.1\r\nHost: {target.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in head, head
    return reader, writer


async def fan_out(target, rounds):
    """Seconds from one client's message until all have it, by round."""
    clients = [await connect(target) for _ in range(CLIENTS)]
    text = b"x" * 100
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))
    frame = bytes([0x81, 0x80 | len(text)]) + mask + masked
    took = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        clients[0][1].write(frame)
        await asyncio.gather(*(reader.readexactly(2 + len(text)) for reader, _ in clients))
        took.append(time.perf_counter() - began)
    for _, writer in clients:
        writer.close()
    return took[1:]


def fanout(quick):
    all_targets = targets()
    try:
        medians = {
            target.name: statistics.median(asyncio.run(fan_out(target, 5 if quick else 30))) for target in all_targets
        }
        ours = medians["hearth"]
        report(f"WebSocket fan-out to {CLIENTS} clients", f"{ours * 1000:.1f} ms", "-")
        for name, median in medians.items():
            if name != "hearth":
                report(f"  against {name} ({median * 1000:.1f} ms)", f"{median / ours:.2f} x as fast", "-")
    finally:
        for target in all_targets:
            target.stop()


ALL = [counter, fanout]


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
