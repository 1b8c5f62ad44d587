#!/usr/bin/env python3
"""Measures static assets, as ratios against a worker's response and nginx in the same run.

    bench/assets.py [--quick] [only …]      only: serve upload memory

Environment: HEARTH_BIN, HEARTH_WORKERD (set by the Makefile).
"""

import argparse
import concurrent.futures
import hashlib
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

from spine import DATE, Hearth, free_port, report, wait_for, wrk

PAGE = "".join(f"<p>line {number} of a page that has ten kilobytes</p>\n" for number in range(200))[:10240]
MIB = 1 << 20


class Nginx:
    """Debian's, with as many processes as the gateway has threads, serving one folder."""

    def __init__(self, page):
        self.folder = tempfile.mkdtemp(prefix="hearth-bench-")
        os.chmod(self.folder, 0o755)
        self.port = free_port()
        root = pathlib.Path(self.folder, "site")
        root.mkdir()
        (root / "index.html").write_text(page)
        workers = max(1, (os.cpu_count() + 1) // 2)
        config = pathlib.Path(self.folder, "nginx.conf")
        config.write_text(
            f"daemon off; worker_processes {workers}; pid {self.folder}/pid; error_log /dev/null;\n"
            "events { worker_connections 1024; }\n"
            "http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type text/html;\n"
            f"server {{ listen 127.0.0.1:{self.port}; root {root}; }} }}\n"
        )
        self.process = subprocess.Popen(["nginx", "-c", str(config), "-e", "/dev/null"])
        wait_for(self.port)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def named(content):
    return hashlib.sha256(content).hexdigest()[:32]


def call(port, path, token, body, kind="application/octet-stream"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
    connection.request("POST", f"/client/v4{path}", body, headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    if not answer["success"]:
        raise SystemExit(f"{path}: {answer['errors']}")
    return (answer["result"] or {}).get("jwt")


def begin(hearth, name, manifest):
    path = f"/accounts/{hearth.account}/workers/scripts/{name}/assets-upload-session"
    return hearth.api("POST", path, {"manifest": manifest})


def finish(hearth, name, jwt):
    metadata = json.dumps({"assets": {"jwt": jwt}, "compatibility_date": DATE})
    body = f'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{metadata}\r\n--b--\r\n'
    script = f"/accounts/{hearth.account}/workers/scripts/{name}"
    hearth.api("PUT", script, body, "multipart/form-data; boundary=b")
    hearth.api("POST", f"{script}/subdomain", {"enabled": True})


def bulk(hearth, session, contents, at_once=3):
    """Every bucket as a form of raw contents; returns the token that completes the upload."""
    path = f"/accounts/{hearth.account}/workers/assets/upload"

    def send(bucket):
        parts = [
            f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'.encode()
            + b"Content-Type: text/html\r\n\r\n" + contents(name) + b"\r\n"
            for name in bucket
        ]
        return call(hearth.port, path, session["jwt"], b"".join(parts) + b"--b--\r\n", "multipart/form-data; boundary=b")

    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        tokens = [token for token in pool.map(send, session["buckets"]) if token]
    return tokens[-1] if tokens else session["jwt"]


def site(hearth, name, files):
    contents = {named(content): content for content in files.values()}
    manifest = {path: {"hash": named(content), "size": len(content)} for path, content in files.items()}
    finish(hearth, name, bulk(hearth, begin(hearth, name, manifest), contents.get))


def serve(quick):
    """One page of 10 KB: as an asset, from a worker, and from nginx."""
    hearth, nginx = Hearth(), Nginx(PAGE)
    site(hearth, "site", {"/index.html": PAGE.encode()})
    source = f"const page = {json.dumps(PAGE)};\nexport default {{ fetch() {{ return new Response(page, {{ headers: {{ 'content-type': 'text/html' }} }}) }} }}\n"
    hearth.deploy("worker", source)
    servers = {
        "asset": (hearth.port, hearth.host("site")),
        "worker": (hearth.port, hearth.host("worker")),
        "nginx": (nginx.port, f"127.0.0.1:{nginx.port}"),
    }
    rates = {way: [] for way in servers}
    for port, host in servers.values():
        wrk(port, host, 32, 1)
    ways = list(servers)
    for number in range(3 if quick else 7):
        for way in ways[number % 3 :] + ways[: number % 3]:
            rates[way].append(wrk(*servers[way], 32, 2 if quick else 4)[0])
    ratio = lambda other: statistics.median(one / two for one, two in zip(rates["asset"], rates[other]))
    medians = {way: statistics.median(rate) for way, rate in rates.items()}
    report(
        f"an asset of 10 KB ({medians['asset']:.0f} req/s) against a worker's response ({medians['worker']:.0f})",
        f"{ratio('worker'):.2f}", ">= 3",
    )
    report(f"… against nginx ({medians['nginx']:.0f})", f"{ratio('nginx'):.2f}", ">= 0.8")
    hearth.stop()
    nginx.stop()


def rss(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


class Peak:
    """The most memory that a process has while this lasts, in MiB."""

    def __init__(self, pid):
        self.pid, self.most, self.over = pid, rss(pid), threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.over.wait(0.05):
            self.most = max(self.most, rss(self.pid))

    def end(self):
        self.over.set()
        self.thread.join()
        return self.most


def upload(quick):
    """20,000 files of 2 KB each, and again with one of them changed."""
    hearth = Hearth()
    count = 2000 if quick else 20000
    files = {f"/p/{number}.html": f"page {number}\n".encode() * 150 for number in range(count)}
    before, peak = rss(hearth.process.pid), Peak(hearth.process.pid)
    began = time.perf_counter()
    site(hearth, "many", files)
    first = time.perf_counter() - began
    files["/p/7.html"] = b"changed"
    began = time.perf_counter()
    site(hearth, "many", files)
    second = time.perf_counter() - began
    report(f"upload and deploy of {count} files", f"{first:.1f} s", "-")
    report("… again with one file changed", f"{second:.2f} s", "-")
    report("… memory of the server before, and at most", f"{before:.0f} and {peak.end():.0f} MiB", "-")
    hearth.stop()


def memory(quick):
    """A site of 5 GB in files of 25 MiB: uploaded, and read by eight clients at once."""
    hearth = Hearth()
    count = 20 if quick else 205
    size = 25 * MIB
    block = random.Random(1).randbytes(size - 8)
    content = lambda number: number.to_bytes(8, "big") + block
    numbers = {named(content(number)): number for number in range(count)}
    manifest = {f"/{number}.bin": {"hash": name, "size": size} for name, number in numbers.items()}
    before, peak = rss(hearth.process.pid), Peak(hearth.process.pid)
    session = begin(hearth, "large", manifest)
    token = bulk(hearth, session, lambda name: content(numbers[name]), at_once=2)
    finish(hearth, "large", token)

    def read(number):
        connection = http.client.HTTPConnection("127.0.0.1", hearth.port, timeout=600)
        connection.request("GET", f"/{number}.bin", headers={"Host": hearth.host("large")})
        response, got = connection.getresponse(), 0
        while piece := response.read(MIB):
            got += len(piece)
        connection.close()
        assert got == size, got

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(count)))
    gigabytes = count * size / 1e9
    report(
        f"memory of the server with {gigabytes:.1f} GB uploaded and read",
        f"{before:.0f}, at most {peak.end():.0f} MiB", "flat",
    )
    hearth.stop()


PARTS = {"serve": serve, "upload": upload, "memory": memory}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("only", nargs="*", metavar="only")
    arguments = parser.parse_args()
    for name in arguments.only or PARTS:
        PARTS[name](arguments.quick)


if __name__ == "__main__":
    main()
