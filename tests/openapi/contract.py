"""Holds a server's real answers against its OpenAPI document.

`Contract` knows the document. Each call is named by its operation's id; the answer's status, media type and body must be
what the document says, with nothing in a body that the document leaves out: in what it describes by `properties` there may
be no further members unless it says so. What is sent has to fit too. What does not is among `faults`.
"""

import copy
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request

import jsonschema
import openapi_spec_validator

DIALECT = jsonschema.Draft202012Validator


def closed(schema):
    """The schema, with nothing in its objects that it does not name."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(value) if key not in ("const", "enum", "default") else value for key, value in schema.items()}
    if schema.get("type") in ("object", ["object", "null"]) and isinstance(schema.get("properties"), dict):
        schema.setdefault("additionalProperties", False)
    return schema


def runs(said, name=""):
    """Long runs of letters and digits in an answer, but for what is called an id."""
    if isinstance(said, dict):
        return {run for key, value in said.items() for run in runs(value, key)}
    if isinstance(said, list):
        return {run for value in said for run in runs(value, name)}
    if not isinstance(said, str) or name.lower().endswith(("id", "tag", "hash")):
        return set()
    found = re.findall(r"[A-Za-z0-9_-]{16,}", said)
    return {run for run in found if len(set(run)) > 6 and len(re.findall(r"[0-9]", run)) > 2}


class Contract:
    def __init__(self, base, token, account):
        self.base, self.token, self.account = base, token, account
        status, _, body = self.send("GET", "/api/openapi.json", bearer=token)
        assert status == 200, (status, body)
        self.document = json.loads(body)
        openapi_spec_validator.validate(self.document)
        self.schemas = {name: closed(schema) for name, schema in self.document["components"]["schemas"].items()}
        self.operations = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
        }
        self.succeeded = set()
        self.refused = set()
        self.faults = []
        # What looks like a key or an id: in answers of calls that look, and of calls that change something.
        self.shown, self.given = set(), set()

    def send(self, method, path, body=None, headers=None, bearer=None):
        request = urllib.request.Request(self.base + path, data=body, method=method, headers=headers or {})
        if bearer is not None:
            request.add_header("authorization", f"Bearer {bearer}")
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def fits(self, value, schema, what):
        schema = {**closed(schema), "components": {"schemas": self.schemas}}
        errors = list(DIALECT(schema, format_checker=DIALECT.FORMAT_CHECKER).iter_errors(value))
        if errors:
            best = jsonschema.exceptions.best_match(errors)
            place = "/".join(str(part) for part in best.absolute_path)
            self.faults.append(f"{what}: at /{place}: {best.message[:500]}; the whole: {json.dumps(value)[:500]}")

    def path_of(self, template, values):
        def fill(match):
            return urllib.parse.quote(str(values[match[1]]), safe="")

        return re.sub(r"\{(\w+)\}", fill, template)

    def call(self, name, /, *, query=None, data=None, kind=None, headers=None, bearer="", fit=True, **values):
        """Makes a call, and holds its answer against the document. `json` is sent as JSON, `data` as it is. `bearer` is
        shown in place of the API token; None shows nothing."""
        method, template, operation = self.operations[name]
        headers = dict(headers or {})
        known = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"}
        if "json" in values:
            sent = values.pop("json")
            if fit:
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                self.fits(sent, schema, f"what {name} is sent")
            data, kind = json.dumps(sent).encode(), "application/json"
        if kind is not None:
            headers["content-type"] = kind
        path = self.path_of(template, {"account": self.account, **values})
        if query:
            assert set(query) <= known, f"{name} takes {sorted(known)}, not {sorted(query)}"
            path += "?" + urllib.parse.urlencode(query, doseq=True)
        status, answered, body = self.send(method, path, data, headers, self.token if bearer == "" else bearer)
        self.answered = answered
        status, said = self.hold(name, status, answered, body)
        if not isinstance(said, bytes) and status < 400:
            (self.shown if method == "GET" else self.given).update(runs(said))
        return status, said

    def hold(self, name, status, headers, body):
        """Holds an answer against the document; gives its status and what it says."""
        operation = self.operations[name][2]
        what = f"{name} ({status})"
        (self.refused if status >= 400 else self.succeeded).add(name)
        responses = operation["responses"]
        described = responses.get(str(status)) or (responses.get("default") if status >= 400 else None)
        if described is None:
            self.faults.append(f"{what} is not in the document: {body[:500]}")
            described = {}
        media = (headers.get("content-type") or "").split(";")[0]
        content = described.get("content", {})
        found = content.get(media) or content.get("*/*")
        if found is None and body:
            self.faults.append(f"{what} is {media!r}, and not of {sorted(content)}: {body[:500]}")
        if media != "application/json":
            return status, body
        said = json.loads(body)
        if found is not None:
            self.fits(said, found["schema"], what)
        return status, said

    def ok(self, name, /, **call):
        """A call that must succeed; gives the result, out of its envelope."""
        status, said = self.call(name, **call)
        assert status < 400, f"{name}: {status} {said}"
        in_envelope = self.operations[name][1].startswith("/client/v4") and isinstance(said, dict) and "result" in said
        return said["result"] if in_envelope else said

    def no(self, name, expected, /, **call):
        """A call that must be refused with a status."""
        status, said = self.call(name, fit=False, **call)
        assert status == expected, f"{name}: {status} {said}"
        return said

    def refuse_all(self):
        """Calls every operation without a token, and every `GET` with ids of nothing."""
        for name, (method, template, operation) in self.operations.items():
            values = dict.fromkeys(re.findall(r"\{(\w+)\}", template), "0" * 32)
            values["account"] = self.account
            if operation.get("security") == []:
                continue
            status, said = self.call(name, bearer=None, data=None if method == "GET" else b"{}", fit=False, **values)
            assert status == 401, f"{name} without a token: {status} {said}"
            if method == "GET" and set(values) > {"account"}:
                self.call(name, fit=False, **values)

    def never_succeeded(self):
        """Operations that could, and of which no success was seen."""
        can = {
            name
            for name, (_, _, operation) in self.operations.items()
            if any(status.startswith(("1", "2")) for status in operation["responses"])
        }
        return sorted(can - self.succeeded)


def from_environment():
    """The contract of the server that wrangler's variables name."""
    base = os.environ["CLOUDFLARE_API_BASE_URL"].removesuffix("/client/v4")
    return Contract(base, os.environ["CLOUDFLARE_API_TOKEN"], os.environ["CLOUDFLARE_ACCOUNT_ID"])


def form(parts):
    """A form: `(name, media type, content)` each. Gives its media type and bytes."""
    boundary = "contract-boundary"
    body = b""
    for name, media, content in parts:
        content = content.encode() if isinstance(content, str) else content
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\nContent-Type: {media}\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return {"kind": f"multipart/form-data; boundary={boundary}", "data": body + f"--{boundary}--\r\n".encode()}


def without(document, *path):
    """A copy of a document in which something is missing."""
    changed = copy.deepcopy(document)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return changed
