"""What the scripts beside this one share: keys, clients, and requests signed by hand, so that they can be signed wrongly."""

import base64
import datetime
import hashlib
import hmac
import http.client
import json
import os
import socket
import urllib.parse
import urllib.request
import zlib

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ["S3_ENDPOINT"]
HOST = urllib.parse.urlsplit(ENDPOINT).netloc
API = os.environ["CLOUDFLARE_API_BASE_URL"]
ACCOUNT = os.environ["CLOUDFLARE_ACCOUNT_ID"]
ADMIN = os.environ["CLOUDFLARE_API_TOKEN"]

STORAGE_READ = "Workers R2 Storage Read"
STORAGE_WRITE = "Workers R2 Storage Write"
ITEM_READ = "Workers R2 Storage Bucket Item Read"
ITEM_WRITE = "Workers R2 Storage Bucket Item Write"

UNSIGNED = "UNSIGNED-PAYLOAD"

# Names below `localhost` are this machine (RFC 6761), which not every system's resolver knows.
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: resolve("127.0.0.1" if str(host).endswith("localhost") else host, *rest, **more)


def api(method, path, body=None, token=ADMIN):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, data, {"authorization": f"Bearer {token}"}, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["result"]


class Key:
    """An API token as S3 clients use it: the secret is the SHA-256 of the token."""

    def __init__(self, permission=STORAGE_WRITE, bucket=None, **more):
        resource = f"com.cloudflare.edge.r2.bucket.{ACCOUNT}_default_{bucket}" if bucket else f"com.cloudflare.api.account.{ACCOUNT}"
        policy = {"effect": "allow", "permission_groups": [{"name": permission}], "resources": {resource: "*"}}
        made = api("POST", f"/accounts/{ACCOUNT}/tokens", {"name": "s3", "policies": [policy], **more})
        self.id, self.token = made["id"], made["value"]
        self.secret = hashlib.sha256(self.token.encode()).hexdigest()

    def client(self, endpoint=ENDPOINT, **config):
        config.setdefault("retries", {"max_attempts": 1})
        return boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=self.id,
            aws_secret_access_key=self.secret,
            region_name="auto",
            config=Config(**config),
        )


def fails(code, call, *args, **kwargs):
    """The call has to fail with this code, or this status."""
    try:
        call(*args, **kwargs)
    except ClientError as error:
        seen = error.response
        assert code in (seen["Error"]["Code"], seen["ResponseMetadata"]["HTTPStatusCode"]), (code, seen)
        return seen
    raise AssertionError(f"{code} was expected, and it went well")


def stamp(seconds=0):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime("%Y%m%dT%H%M%SZ")


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def quoted(text, keep=""):
    return urllib.parse.quote(text, safe="-_.~" + keep)


class Signer:
    def __init__(self, key, secret=None):
        self.id, self.secret = key.id, secret or key.secret

    def derived(self, date):
        key = mac(("AWS4" + self.secret).encode(), date[:8])
        for part in ("auto", "s3", "aws4_request"):
            key = mac(key, part)
        return key

    def signature(self, method, path, query, headers, payload, date):
        names = ";".join(sorted(headers))
        pairs = "&".join(f"{quoted(name)}={quoted(value)}" for name, value in sorted(query.items()))
        lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
        request = "\n".join([method, quoted(path, "/"), pairs, lines, names, payload])
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{date}\n{date[:8]}/auto/s3/aws4_request\n{digest}"
        return mac(self.derived(date), text).hex(), names

    def headers(self, method, path, query=None, headers=None, payload=None, body=b"", date=None):
        date = date or stamp()
        payload = payload or hashlib.sha256(body).hexdigest()
        signed = {"host": HOST, "x-amz-date": date, "x-amz-content-sha256": payload, **(headers or {})}
        signature, names = self.signature(method, path, query or {}, signed, payload, date)
        scope = f"{self.id}/{date[:8]}/auto/s3/aws4_request"
        authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}"
        return {**signed, "authorization": authorization}, signature, date

    def presigned(self, method, path, expires=60, date=None, query=None, signed=None):
        date = date or stamp()
        query = {
            **(query or {}),
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self.id}/{date[:8]}/auto/s3/aws4_request",
            "X-Amz-Date": date,
            "X-Amz-Expires": str(expires),
        }
        headers = {"host": HOST, **(signed or {})}
        query["X-Amz-SignedHeaders"] = ";".join(sorted(headers))
        signature, _ = self.signature(method, path, query, headers, UNSIGNED, date)
        query["X-Amz-Signature"] = signature
        return f"{quoted(path, '/')}?" + "&".join(f"{quoted(name)}={quoted(value)}" for name, value in query.items())

    def chunked(self, path, chunks, trailer=None, signed=True, spoil=None, length=None):
        """A PUT whose body is sent in chunks of their own, signed or not, with a trailer or not."""
        kind = ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD" if signed else "STREAMING-UNSIGNED-PAYLOAD") + ("-TRAILER" if trailer else "")
        headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(length or sum(map(len, chunks)))}
        if trailer:
            headers["x-amz-trailer"] = trailer[0]
        headers, previous, date = self.headers("PUT", path, headers=headers, payload=kind)
        scope = f"{date[:8]}/auto/s3/aws4_request"
        empty = hashlib.sha256(b"").hexdigest()
        body = b""
        for number, chunk in enumerate([*chunks, b""]):
            if signed:
                digest = hashlib.sha256(chunk).hexdigest()
                text = f"AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{scope}\n{previous}\n{empty}\n{digest}"
                previous = mac(self.derived(date), text).hex()
                sent = previous[::-1] if spoil == number else previous
                body += f"{len(chunk):x};chunk-signature={sent}\r\n".encode()
            else:
                body += f"{len(chunk):x}\r\n".encode()
            if chunk or not trailer:
                body += chunk + b"\r\n"
        if trailer:
            line = f"{trailer[0]}:{trailer[1]}"
            body += line.encode() + b"\r\n"
            if signed:
                digest = hashlib.sha256((line + "\n").encode()).hexdigest()
                text = f"AWS4-HMAC-SHA256-TRAILER\n{date}\n{scope}\n{previous}\n{digest}"
                sent = mac(self.derived(date), text).hex()
                sent = sent[::-1] if spoil == "trailer" else sent
                body += f"x-amz-trailer-signature:{sent}\r\n".encode()
            body += b"\r\n"
        return send("PUT", quoted(path, "/"), headers, body)


def crc32(content):
    return base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()


def crc(bits, polynomial, content):
    """The CRCs that Python does not bring, bit by bit: reflected, all ones before and after."""
    value = mask = (1 << bits) - 1
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
    return base64.b64encode((value ^ mask).to_bytes(bits // 8, "big")).decode()


def crc32c(content):
    return crc(32, 0x82F63B78, content)


def crc64nvme(content):
    return crc(64, 0x9A6C9329AC4BC9B5, content)


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def code(self):
        text = self.body.decode(errors="replace")
        return text.partition("<Code>")[2].partition("</Code>")[0]


def send(method, target, headers=None, body=None):
    connection = http.client.HTTPConnection(HOST, timeout=60)
    try:
        connection.request(method, target, body=body, headers={"host": HOST, **(headers or {})})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def expect(answer, status, code=""):
    assert (answer.status, answer.code) == (status, code), (answer.status, answer.body)
    return answer
