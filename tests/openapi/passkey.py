"""An authenticator of software (Web Authentication Level 3), with one key of P-256, and the browser around it."""

import base64
import hashlib
import json
import secrets

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(number, point):
    found = None
    while number:
        if number & 1:
            found = add(found, point)
        point = add(point, point)
        number >>= 1
    return found


def der(number):
    encoded = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes([len(encoded)]) + encoded


def cbor(value):
    def head(kind, number):
        if number < 24:
            return bytes([kind << 5 | number])
        if number < 256:
            return bytes([kind << 5 | 24, number])
        return bytes([kind << 5 | 25]) + number.to_bytes(2, "big")

    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    return head(5, len(value)) + b"".join(cbor(key) + cbor(inner) for key, inner in value.items())


def text(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Authenticator:
    def __init__(self, origin, counts=1):
        self.counts = counts
        self.origin, self.host = origin, origin.split("://")[1].split(":")[0]
        self.private, self.id, self.used, self.user = secrets.randbelow(N - 1) + 1, secrets.token_bytes(16), 0, ""

    def client(self, kind, options):
        return json.dumps({"type": kind, "challenge": options["challenge"], "origin": self.origin}).encode()

    def data(self, flags):
        self.used += self.counts
        return hashlib.sha256(self.host.encode()).digest() + bytes([5 | flags]) + self.used.to_bytes(4, "big")

    def create(self, options):
        """What `navigator.credentials.create()` gives."""
        x, y = (half.to_bytes(32, "big") for half in times(self.private, G))
        key = cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y})
        data = self.data(64) + bytes(16) + len(self.id).to_bytes(2, "big") + self.id + key
        self.user = options["user"]["id"]
        attestation = cbor({"fmt": "none", "attStmt": {}, "authData": data})
        response = {"clientDataJSON": text(self.client("webauthn.create", options)), "attestationObject": text(attestation)}
        return {"id": text(self.id), "rawId": text(self.id), "type": "public-key", "response": response}

    def get(self, options):
        """What `navigator.credentials.get()` gives."""
        client, data = self.client("webauthn.get", options), self.data(0)
        digest = int.from_bytes(hashlib.sha256(data + hashlib.sha256(client).digest()).digest(), "big")
        once = secrets.randbelow(N - 1) + 1
        r = times(once, G)[0] % N
        pair = der(r) + der(pow(once, -1, N) * (digest + r * self.private) % N)
        response = {
            "clientDataJSON": text(client),
            "authenticatorData": text(data),
            "signature": text(b"\x30" + bytes([len(pair)]) + pair),
            "userHandle": self.user,
        }
        return {"id": text(self.id), "rawId": text(self.id), "type": "public-key", "response": response}
