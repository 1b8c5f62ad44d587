#!/usr/bin/env python3
"""Measures functions in Node.js, Python and Go, as ratios against a worker, a bare program and a process for each call, all
in the same run.

    bench/functions.py [--quick] [only …]      only: warm cold calls many

Environment: HEARTH_BIN, HEARTH_WORKERD (set by the Makefile).
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time

from spine import Hearth, report

GO_HANDLER = "func handler(event interface{}, context map[string]string) interface{} { return event }"
CODE = {
    "nodejs": "const handler = (event) => event;",
    "python": "def handler(event, context):\n    return event\n",
    "go": GO_HANDLER,
}
BODY = json.dumps({"event": {"message": "Hello World", "data": [1, 2, 3]}})
# What a process for each call is given on its command line or stdin, and prints: the document's own design.
GO_MAIN = """package main

import (
	"encoding/json"
	"os"
)

%s

func main() {
	var event interface{}
	json.NewDecoder(os.Stdin).Decode(&event)
	json.NewEncoder(os.Stdout).Encode(handler(event, nil))
}
"""
NODE_EACH = "const handler = (event) => event; console.log(JSON.stringify(handler(JSON.parse(require('fs').readFileSync(0)))))"
PYTHON_EACH = "import json, sys\n%s\nprint(json.dumps(handler(json.load(sys.stdin), {})))" % CODE["python"]


class Client:
    """One connection that is kept."""

    def __init__(self, hearth):
        self.connection = http.client.HTTPConnection("127.0.0.1", hearth.port, timeout=60)
        self.connection.connect()
        # http.client sends a body apart from its head: with Nagle's algorithm each call would wait for an acknowledgement.
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.host = f"localhost:{hearth.port}"

    def call(self, method, path, body=None, host=None):
        self.connection.request(method, path, body, {"Host": host or self.host})
        response = self.connection.getresponse()
        return response.status, response.read()

    def timed(self, *args):
        began = time.perf_counter()
        status, body = self.call(*args)
        took = (time.perf_counter() - began) * 1e3
        assert status == 200, (status, body)
        return took, body


def create(client, runtime, name=None):
    fields = {"name": name or runtime, "runtime": runtime, "handler": "handler", "code": CODE[runtime]}
    status, body = client.call("POST", "/api/v1/functions", json.dumps(fields))
    assert status == 201, body
    return json.loads(body)["id"]


def warm(quick):
    """A call of a warm function through the API, against a request to a worker that does the same."""
    hearth = Hearth()
    hearth.deploy("echo", "export default { fetch: async (request) => Response.json((await request.json()).event) }")
    client = Client(hearth)
    ids = {runtime: create(client, runtime) for runtime in CODE}
    ways = {"worker": ("POST", "/", BODY, hearth.host("echo"))}
    ways |= {runtime: ("POST", f"/api/v1/functions/{id}/invoke", BODY) for runtime, id in ids.items()}
    times = {way: [] for way in ways}
    for way, call in ways.items():
        for _ in range(50):
            client.timed(*call)
    for _ in range(200 if quick else 2000):
        for way, call in ways.items():
            times[way].append(client.timed(*call)[0])
    p50 = {way: statistics.median(all_times) for way, all_times in times.items()}
    for runtime in CODE:
        more = p50[runtime] - p50["worker"]
        report(f"warm call, {runtime}, p50 over a worker's {p50['worker']:.2f} ms", f"+{more:.2f} ms", "<= 1 ms")
    hearth.stop()


def compiled():
    folder = tempfile.mkdtemp(prefix="hearth-bench-go-")
    pathlib.Path(folder, "main.go").write_text(GO_MAIN % GO_HANDLER)
    binary = os.path.join(folder, "each")
    subprocess.run(["go", "build", "-ldflags=-s -w", "-o", binary, "main.go"], cwd=folder, check=True)
    return binary


def each(binary):
    return {
        "nodejs": ["node", "-e", NODE_EACH],
        "python": [shutil.which("python3", path="/usr/bin") or "python3", "-c", PYTHON_EACH],
        "go": [binary],
    }


def bare(binary):
    return {
        "nodejs": ["node", "-e", "0"],
        "python": [shutil.which("python3", path="/usr/bin") or "python3", "-c", "0"],
        "go": [binary],
    }


def ran(command, sent=b"null"):
    began = time.perf_counter()
    subprocess.run(command, input=sent, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - began) * 1e3


def posts(port, path, seconds):
    """Calls a second over four connections."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"wrk.method = 'POST'\nwrk.body = {json.dumps(BODY)}\nwrk.headers['Host'] = 'localhost:{port}'\n")
        script.flush()
        command = ["wrk", "-t1", "-c4", f"-d{seconds}s", "-s", script.name, f"http://127.0.0.1:{port}{path}"]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in output, output
    return float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])


def cold(quick):
    """The first call of a function that has no process, against a bare program that starts and ends."""
    commands = bare(compiled())
    hearth = Hearth()
    client = Client(hearth)
    rounds = 5 if quick else 20
    for runtime in CODE:
        ids = [create(client, runtime, f"{runtime}-{number}") for number in range(rounds + 1)]
        client.timed("POST", f"/api/v1/functions/{ids.pop()}/invoke", BODY)
        ours, theirs = [], []
        for id in ids:
            # The next parked process is there by then.
            time.sleep(0.5)
            took, body = client.timed("POST", f"/api/v1/functions/{id}/invoke", BODY)
            assert json.loads(body)["cold_start"], body
            ours.append(took)
            theirs.append(ran(commands[runtime]))
        a, b = statistics.median(ours), statistics.median(theirs)
        report(f"cold call, {runtime}: {a:.1f} ms, bare program {b:.1f} ms", f"{a / b:.2f}x", "<= 1.2x")
    hearth.stop()


def calls(quick):
    """Calls a second by four clients at once, against as many who start a process for each call."""
    seconds = 2 if quick else 5
    commands = each(compiled())
    hearth = Hearth()
    maker = Client(hearth)
    for runtime in CODE:
        id = create(maker, runtime)
        maker.timed("POST", f"/api/v1/functions/{id}/invoke", BODY)

        def rate(step):
            counts, end = [0] * 4, time.perf_counter() + seconds

            def work(slot):
                do = step()
                while time.perf_counter() < end:
                    do()
                    counts[slot] += 1

            workers = [threading.Thread(target=work, args=(slot,)) for slot in range(4)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            return sum(counts) / seconds

        sent = json.dumps(json.loads(BODY)["event"]).encode()
        # A client in Python would be what is measured.
        a, b = posts(hearth.port, f"/api/v1/functions/{id}/invoke", seconds), rate(lambda: lambda: ran(commands[runtime], sent))
        report(f"calls a second, {runtime}: {a:.0f}, a process each {b:.0f}", f"{a / b:.0f}x", ">= 20x")
        if runtime == "go":
            # The document compiles and executes; above, the program is there before.
            b = rate(lambda: lambda: ran(["go", "run", os.path.join(os.path.dirname(commands["go"][0]), "main.go")], sent))
            report(f"calls a second, go: {a:.0f}, compiled and started each {b:.1f}", f"{a / b:.0f}x", ">= 20x")
    hearth.stop()


def many(quick):
    """A thousand functions known, a hundred alive."""
    known, alive = (100, 20) if quick else (1000, 100)
    hearth = Hearth()
    client = Client(hearth)
    began = time.perf_counter()
    ids = [create(client, "python", f"f{number}") for number in range(known)]
    created = time.perf_counter() - began
    first = [client.timed("POST", f"/api/v1/functions/{id}/invoke", BODY)[0] for id in ids[:alive]]
    again = [client.timed("POST", f"/api/v1/functions/{id}/invoke", BODY)[0] for id in ids[:alive]]
    report(f"{known} functions made, each", f"{created / known * 1e3:.0f} ms", "-")
    report(f"{alive} of them alive: first call, warm call, p50", f"{statistics.median(first):.1f}, {statistics.median(again):.2f} ms", "-")
    hearth.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("only", nargs="*", choices=[[], "warm", "cold", "calls", "many"])
    args = parser.parse_args()
    for measure in (warm, cold, calls, many):
        if not args.only or measure.__name__ in args.only:
            measure(args.quick)


if __name__ == "__main__":
    main()
