"""Runs one function in Python: loads its code, takes one call at a time on an inherited socket, and answers in JSON.

stdin: one document {name, handler, main, files, env, dependencies, timeout_ms, memory_mb}, then its end.
3: what it says of itself, in lines of JSON. 4: the listening socket.
"""

import base64
import inspect
import io
import json
import linecache
import os
import selectors
import socket
import sys
import time
import traceback
import types
import urllib.parse

CONTROL = 3
LISTENING = 4
DEPENDENCIES = "/data/dependencies"
# Of what one call prints, so much is kept.
MAX_LOGS = 256 << 10
MAX_HEAD = 1 << 20

encoder = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def say(news):
    os.write(CONTROL, json.dumps(news).encode() + b"\n")


class Logs(io.TextIOBase):
    """What is printed belongs to the call that runs; while the code loads, to the first one."""

    def __init__(self):
        self.lines, self.size, self.rest = [], 0, ""

    def writable(self):
        return True

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self.size >= MAX_LOGS:
            return len(text)
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            self.keep(line)
        if len(self.rest) > MAX_LOGS:
            self.keep(self.rest)
            self.rest = ""
        return len(text)

    def keep(self, line):
        if self.size >= MAX_LOGS:
            return
        self.size += len(line) + 1
        self.lines.append(line[:MAX_LOGS])
        if self.size >= MAX_LOGS:
            self.lines.append("[more was printed than is kept]")

    def take(self):
        if self.rest:
            self.keep(self.rest)
        taken = self.lines
        self.lines, self.size, self.rest = [], 0, ""
        return taken


logs = Logs()


class FunctionFailure(Exception):
    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def describe(error):
    """What is told of an error; of its stack, the function's own part."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__ and not frame.filename.startswith("<frozen")]
    stack = "".join(traceback.format_list(own) + traceback.format_exception_only(error)).rstrip()
    if isinstance(error, FunctionFailure):
        return {"type": error.kind, "message": str(error), "stack": ""}
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.split(".")[0]
        message = f"No module named '{error.name}': declare it in `dependencies`, as {{\"{package}\": \"<version>\"}}"
        return {"type": "ModuleNotFound", "message": message, "stack": stack}
    if isinstance(error, SyntaxError):
        where = f" ({error.filename}, line {error.lineno})" if error.lineno else ""
        return {"type": type(error).__name__, "message": f"{error.msg}{where}", "stack": stack}
    if isinstance(error, MemoryError):
        return {"type": "OutOfMemory", "message": "The function used more memory than it may.", "stack": stack}
    return {"type": type(error).__name__, "message": str(error), "stack": stack}


def refused(value, where, seen):
    """Where a value is not JSON, and why; None where it is."""
    if isinstance(value, float) and value - value != 0.0:
        return f"{where} is {value}, which JSON cannot hold"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{where} is made of bytes, which JSON cannot hold: encode it, as with base64.b64encode(…).decode()"
    if isinstance(value, (dict, list, tuple)):
        if id(value) in seen:
            return f"{where} refers to itself (a cycle), which JSON cannot hold"
        seen = seen | {id(value)}
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, (str, int, float, bool)) and key is not None:
                    return f"{where} has a key of type {type(key).__name__}, which JSON cannot hold"
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            found = refused(item, f"the result's field {json.dumps(str(key))}", seen)
            if found:
                return found
        return None
    if value is None or isinstance(value, (str, int, float, bool)):
        return None
    return f"{where} is a {type(value).__name__}, which JSON cannot hold"


def encode(result):
    try:
        return encoder.encode(result)
    except (ValueError, TypeError, RecursionError) as error:
        try:
            message = refused(result, "the result", frozenset()) or str(error)
        except RecursionError:
            message = "the result is nested too deeply for JSON"
        raise FunctionFailure("ResultNotJson", message) from None


def load(work):
    name = work["main"]
    code = work["files"][name]
    # Tracebacks show the function's own lines.
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    if work["dependencies"]:
        sys.path.append(DEPENDENCIES)
    module = types.ModuleType("function")
    module.__file__ = name
    sys.modules["function"] = module
    exec(compile(code, name, "exec", dont_inherit=True), module.__dict__)
    parts = work["handler"].split(".")
    # As others name them: the file first.
    for way in [parts, parts[1:]] if len(parts) > 1 else [parts]:
        found = module
        for part in way:
            found = getattr(found, part, None)
        if callable(found):
            return found
    raise FunctionFailure("HandlerNotFound", f"handler: the code has no function named {work['handler']}")


def call(handler, event, context):
    result = handler(event, context)
    if inspect.iscoroutine(result):
        import asyncio

        return asyncio.run(result)
    return result


def elapsed(began):
    return round((time.perf_counter() - began) * 1000, 3)


def invoke(work, handler, body):
    """A call of the API."""
    sent = json.loads(body)
    context = {
        "function_name": work["name"],
        "memory_limit_mb": work["memory_mb"],
        "timeout_ms": work["timeout_ms"],
        **(sent.get("context") or {}),
    }
    began = time.perf_counter()
    try:
        result = encode(call(handler, sent.get("event"), context))
        head = encoder.encode({"success": True, "duration_ms": elapsed(began), "logs": logs.take()})
        answer = f'{head[:-1]},"result":{result}}}'
    except BaseException as error:
        failed = {"success": False, "duration_ms": elapsed(began), "error": describe(error), "logs": logs.take()}
        answer = json.dumps(failed)
    # Lone surrogates are in some texts; they have no bytes.
    return 200, {"content-type": "application/json"}, answer.encode("utf-8", "replace")


def serve(work, handler, method, target, headers, body):
    """A request over the function's host or a route."""
    started = int(time.time() * 1000)
    path, _, query = target.partition("?")
    try:
        text, encoded = body.decode(), False
    except UnicodeDecodeError:
        text, encoded = base64.b64encode(body).decode(), True
    event = {
        "method": method,
        "path": urllib.parse.unquote(path),
        "query": dict(urllib.parse.parse_qsl(query, keep_blank_values=True)),
        "headers": headers,
        "body": text,
        "isBase64Encoded": encoded,
    }
    request_id = headers.get("cf-ray", "")
    context = {
        "function_name": work["name"],
        "memory_limit_mb": work["memory_mb"],
        "timeout_ms": work["timeout_ms"],
        "request_id": request_id,
    }
    began, error = time.perf_counter(), None
    try:
        answer = respond(call(handler, event, context))
    except BaseException as thrown:
        error = describe(thrown)
        content = json.dumps({"error": "The function failed.", "request_id": request_id}).encode()
        answer = 500, {"content-type": "application/json"}, content
    say(
        {
            "event": "called",
            "request_id": request_id,
            "started_ms": started,
            "success": error is None,
            "duration_ms": elapsed(began),
            "error": error,
            "logs": logs.take(),
        }
    )
    return answer


def respond(result):
    status = result.get("statusCode", result.get("status")) if isinstance(result, dict) else None
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        return 200, {"content-type": "application/json"}, encode(result).encode("utf-8", "replace")
    headers = {str(name): str(value) for name, value in (result.get("headers") or {}).items()}
    content = result.get("body", "")
    if result.get("isBase64Encoded"):
        content = base64.b64decode(content)
    elif content is None:
        content = b""
    elif isinstance(content, str):
        content = content.encode("utf-8", "replace")
    elif not isinstance(content, (bytes, bytearray)):
        content = encode(content).encode("utf-8", "replace")
        if not any(name.lower() == "content-type" for name in headers):
            headers["content-type"] = "application/json"
    return status, headers, bytes(content)


class Connection:
    """Reads requests as Hearth sends them: with a length, or in chunks."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def more(self):
        data = self.sock.recv(1 << 18)
        if not data:
            raise EOFError
        self.buffer += data

    def until(self, mark):
        while mark not in self.buffer:
            if len(self.buffer) > MAX_HEAD:
                raise EOFError
            self.more()
        part, self.buffer = self.buffer.split(mark, 1)
        return part

    def exactly(self, count):
        parts, missing = [self.buffer[:count]], count - len(self.buffer)
        self.buffer = self.buffer[count:]
        while missing > 0:
            data = self.sock.recv(min(missing, 1 << 20))
            if not data:
                raise EOFError
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def request(self):
        line, *fields = self.until(b"\r\n\r\n").split(b"\r\n")
        method, target, _ = line.split(b" ", 2)
        headers = {}
        for field in fields:
            name, _, value = field.partition(b":")
            name, value = name.strip().lower().decode("latin-1"), value.strip().decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if "chunked" in headers.get("transfer-encoding", ""):
            chunks = []
            while size := int(self.until(b"\r\n").split(b";")[0], 16):
                chunks.append(self.exactly(size))
                self.exactly(2)
            while self.until(b"\r\n"):
                pass
            body = b"".join(chunks)
        else:
            body = self.exactly(int(headers.get("content-length", "0")))
        return method.decode(), target.decode("latin-1"), headers, body

    def answer(self, status, headers, content, head):
        bodyless = status in (204, 304)
        lines = [f"HTTP/1.1 {status} Status"]
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                lines.append(f"{name}: {value}".replace("\r", " ").replace("\n", " "))
        if not bodyless:
            lines.append(f"content-length: {len(content)}")
        packed = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
        self.sock.sendall(packed if bodyless or head else packed + content)


def main():
    say({"event": "parked"})
    with open(0, "rb", closefd=False) as stdin:
        work = json.loads(stdin.read())
    os.environ.clear()
    os.environ.update(
        {
            "HOME": "/tmp",
            "TMPDIR": "/tmp",
            "PATH": "/runtime/bin",
            "LANG": "C.UTF-8",
            "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
            **work["env"],
        }
    )
    os.chdir("/tmp")
    sys.stdout = sys.stderr = logs
    try:
        handler = load(work)
    except BaseException as error:
        say({"event": "failed", "error": describe(error)})
        os._exit(1)
    listener = socket.socket(fileno=LISTENING)
    listener.setblocking(True)
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ, None)
    say({"event": "listen"})
    while True:
        for key, _ in waiting.select():
            if key.data is None:
                sock, _ = listener.accept()
                waiting.register(sock, selectors.EVENT_READ, Connection(sock))
                continue
            connection = key.data
            try:
                method, target, headers, body = connection.request()
                if "x-hearth-invoke" in headers:
                    answer = invoke(work, handler, body)
                else:
                    answer = serve(work, handler, method, target, headers, body)
                connection.answer(*answer, method == "HEAD")
            except (EOFError, OSError, ValueError):
                waiting.unregister(key.fileobj)
                connection.sock.close()


main()
