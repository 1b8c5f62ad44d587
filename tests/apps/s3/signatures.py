"""What is signed wrongly, late or not at all is refused, and nothing of the installation shows."""

import hashlib
import socket
import urllib.error
import urllib.request

from common import ACCOUNT, ADMIN, API, HOST, ITEM_READ, ITEM_WRITE, STORAGE_READ, UNSIGNED, Key, Signer, api, crc32, expect, fails, send, stamp

key = Key()
s3 = key.client()
s3.create_bucket(Bucket="signed")
s3.create_bucket(Bucket="other")
s3.put_object(Bucket="signed", Key="k", Body=b"hello")
s3.put_object(Bucket="other", Key="secret", Body=b"secret")
signer = Signer(key)

# ---- without a key, buckets that are there and that are not look alike ---------------------------------------------
for method in ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"):
    seen = set()
    for path in ("/", "/signed", "/nowhere", "/signed/k", "/signed/absent", "/nowhere/k"):
        answer = send(method, path, {"content-length": "0"})
        assert answer.status in (403, 405, 501), (method, path, answer.status)
        seen.add((path.count("/"), path == "/", answer.status, answer.body))
    assert len(seen) <= 3, seen
expect(send("GET", "/signed/k", {"authorization": "Bearer " + key.token}), 400, "InvalidRequest")

# ---- headers -------------------------------------------------------------------------------------------------------
def get(signer=signer, **how):
    return send("GET", "/signed/k", signer.headers("GET", "/signed/k", **how)[0])


assert expect(get(), 200).body == b"hello"
expect(get(Signer(key, "0" * 64)), 403, "SignatureDoesNotMatch")
expect(get(Signer(key, key.token)), 403, "SignatureDoesNotMatch")
expect(get(date=stamp(-3600)), 403, "RequestTimeTooSkewed")
expect(get(date=stamp(3600)), 403, "RequestTimeTooSkewed")
unknown = Key()
unknown.id = "0" * 32
expect(get(Signer(unknown)), 403, "InvalidAccessKeyId")
headers = signer.headers("GET", "/signed/k")[0]
expect(send("GET", "/other/secret", headers), 403, "SignatureDoesNotMatch")
expect(send("DELETE", "/signed/k", headers), 403, "SignatureDoesNotMatch")
headers = signer.headers("PUT", "/signed/new", body=b"x")[0]
expect(send("PUT", "/signed/new", {**headers, "x-amz-copy-source": "/other/secret"}, b"x"), 403, "AccessDenied")
expect(send("PUT", "/signed/new", {**headers, "x-amz-meta-more": "1"}, b"x"), 403, "AccessDenied")
expect(send("GET", "/signed/k", {"authorization": f"AWS {key.id}:c2lnbmF0dXJl", "date": "x"}), 400, "InvalidRequest")

# ---- bodies --------------------------------------------------------------------------------------------------------
headers = signer.headers("PUT", "/signed/new", body=b"right")[0]
expect(send("PUT", "/signed/new", headers, b"wrong"), 400, "XAmzContentSHA256Mismatch")
fails(404, s3.head_object, Bucket="signed", Key="new")
headers = signer.headers("PUT", "/signed/new", payload=UNSIGNED)[0]
expect(send("PUT", "/signed/new", headers, b"anything"), 200)
body = b'<Delete><Object><Key>k</Key></Object></Delete>'
headers = signer.headers("POST", "/signed", {"delete": ""}, body=body.replace(b">k<", b">x<"))[0]
assert send("POST", "/signed?delete=", headers, body).status == 400
assert expect(get(), 200).body == b"hello", "what was not signed was not deleted"

# A client that waits to be asked for a body that nobody wants sends its next request in the place of it.
headers = signer.headers("PUT", "/nowhere/k", body=b"GET /")[0]
lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
connection = socket.create_connection(("127.0.0.1", int(HOST.rpartition(":")[2])))
connection.settimeout(20)
connection.sendall(f"PUT /nowhere/k HTTP/1.1\r\n{lines}content-length: 5\r\nexpect: 100-continue\r\n\r\n".encode())
seen = b""
while piece := connection.recv(65536):
    seen += piece
assert seen.startswith(b"HTTP/1.1 404 ") and b"\r\nconnection: close\r\n" in seen.lower(), seen
expect(send("PUT", "/signed/asked", {**signer.headers("PUT", "/signed/asked", body=b"x")[0], "expect": "100-continue"}, b"x"), 200)

# ---- bodies in chunks ----------------------------------------------------------------------------------------------
content = [b"a" * 65536, b"b" * 65536, b"c" * 10]
whole = b"".join(content)
good, bad = ("x-amz-checksum-crc32", crc32(whole)), ("x-amz-checksum-crc32", crc32(b"other"))


def stored(name):
    return s3.get_object(Bucket="signed", Key=name)["Body"].read()


expect(signer.chunked("/signed/chunked", content), 200)
assert stored("chunked") == whole
assert "ContentEncoding" not in s3.head_object(Bucket="signed", Key="chunked")
for number in range(4):
    expect(signer.chunked("/signed/spoilt", content, spoil=number), 403, "SignatureDoesNotMatch")
for signed in (True, False):
    expect(signer.chunked("/signed/trailed", content, trailer=good, signed=signed), 200)
    assert stored("trailed") == whole
    s3.delete_object(Bucket="signed", Key="trailed")
    expect(signer.chunked("/signed/spoilt", content, trailer=bad, signed=signed), 400, "BadDigest")
expect(signer.chunked("/signed/spoilt", content, trailer=good, spoil="trailer"), 403, "SignatureDoesNotMatch")
for length in (len(whole) - 1, len(whole) + 1):
    expect(signer.chunked("/signed/spoilt", content, length=length), 400, "IncompleteBody")
fails(404, s3.head_object, Bucket="signed", Key="spoilt")
expect(signer.chunked("/signed/nothing", [], trailer=("x-amz-checksum-crc32", crc32(b""))), 200)

# ---- presigned URLs ------------------------------------------------------------------------------------------------
def url(**how):
    return send("GET", signer.presigned("GET", "/signed/k", **how))


assert expect(url(), 200).body == b"hello"
expect(url(expires=60, date=stamp(-61)), 403, "AccessDenied")
expect(url(expires=600, date=stamp(-61)), 200)
expect(url(expires=604800), 200)
expect(url(expires=604801), 400, "AuthorizationQueryParametersError")
expect(url(expires=0), 400, "AuthorizationQueryParametersError")
expect(url(date=stamp(3600)), 403, "RequestTimeTooSkewed")
target = signer.presigned("GET", "/signed/k")
expect(send("GET", target.replace("X-Amz-Expires=60", "X-Amz-Expires=61")), 403, "SignatureDoesNotMatch")
expect(send("GET", target.replace("/signed/k", "/other/secret")), 403, "SignatureDoesNotMatch")
expect(send("DELETE", target), 403, "SignatureDoesNotMatch")
expect(send("GET", target + "&response-content-type=text%2Fhtml"), 403, "SignatureDoesNotMatch")
target = signer.presigned("PUT", "/signed/put")
expect(send("PUT", target, {"x-amz-copy-source": "/other/secret"}), 403, "AccessDenied")
expect(send("PUT", target, body=b"by url"), 200)
assert stored("put") == b"by url"
digest = hashlib.sha256(b"right").hexdigest()
expect(send("PUT", target, {"x-amz-content-sha256": digest}, b"wrong"), 400, "XAmzContentSHA256Mismatch")
expect(send("GET", "/signed/k?AWSAccessKeyId=a&Expires=9999999999&Signature=b"), 400, "InvalidRequest")
form = {"content-type": "multipart/form-data; boundary=x"}
expect(send("POST", "/signed", form, b"--x--\r\n"), 501, "NotImplemented")

# ---- keys for less than everything ---------------------------------------------------------------------------------
reader, writer = Key(ITEM_READ, "signed").client(), Key(ITEM_WRITE, "signed").client()
assert reader.get_object(Bucket="signed", Key="k")["Body"].read() == b"hello"
reader.list_objects_v2(Bucket="signed")
reader.head_bucket(Bucket="signed")
fails("AccessDenied", reader.put_object, Bucket="signed", Key="k", Body=b"")
fails("AccessDenied", reader.delete_object, Bucket="signed", Key="k")
fails("AccessDenied", reader.create_multipart_upload, Bucket="signed", Key="k")
writer.put_object(Bucket="signed", Key="k", Body=b"hello")
for limited in (reader, writer):
    fails("AccessDenied", limited.get_object, Bucket="other", Key="secret")
    fails("AccessDenied", limited.list_objects_v2, Bucket="other")
    fails("AccessDenied", limited.list_objects_v2, Bucket="nowhere")
    fails("AccessDenied", limited.list_buckets)
    fails("AccessDenied", limited.create_bucket, Bucket="more")
    fails("AccessDenied", limited.delete_bucket, Bucket="signed")
    fails("AccessDenied", limited.get_bucket_cors, Bucket="signed")
fails("AccessDenied", writer.copy_object, Bucket="signed", Key="stolen", CopySource={"Bucket": "other", "Key": "secret"})
upload = writer.create_multipart_upload(Bucket="signed", Key="stolen")["UploadId"]
part = {"Bucket": "signed", "Key": "stolen", "UploadId": upload, "PartNumber": 1}
fails("AccessDenied", writer.upload_part_copy, CopySource={"Bucket": "other", "Key": "secret"}, **part)
auditor = Key(STORAGE_READ).client()
assert {"signed", "other"} <= {bucket["Name"] for bucket in auditor.list_buckets()["Buckets"]}
assert auditor.get_object(Bucket="other", Key="secret")["Body"].read() == b"secret"
fails("AccessDenied", auditor.put_object, Bucket="other", Key="secret", Body=b"")
fails("AccessDenied", auditor.create_bucket, Bucket="more")
admin = Key()
admin.id, admin.secret = api("GET", "/user/tokens/verify")["id"], hashlib.sha256(ADMIN.encode()).hexdigest()
assert admin.client().get_object(Bucket="other", Key="secret")["Body"].read() == b"secret"
# An account in the host has to be there, and the key's.
port = HOST.rpartition(":")[2]
for other in (admin, key):
    elsewhere = other.client(f"http://{'0' * 32}.localhost:{port}", s3={"addressing_style": "path"})
    fails("AccessDenied", elsewhere.create_bucket, Bucket="elsewhere")
    fails("AccessDenied", elsewhere.get_object, Bucket="other", Key="secret")


# A key's token is good at the API for what its key is good for here, and for nothing else.
def status(method, path, token):
    request = urllib.request.Request(f"{API}/accounts/{ACCOUNT}/{path}", None, {"authorization": f"Bearer {token}"}, method=method)
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        return error.code


limited = Key(ITEM_READ, "signed")
for token, method, path, expected in [
    (limited.token, "GET", "r2/buckets/signed/objects/k", 200),
    (limited.token, "DELETE", "r2/buckets/signed/objects/k", 403),
    (limited.token, "GET", "r2/buckets/other/objects/secret", 403),
    (limited.token, "GET", "r2/buckets", 403),
    (limited.token, "GET", "r2/buckets/signed", 403),
    (key.token, "GET", "r2/buckets", 200),
    (key.token, "GET", "r2/buckets/other", 200),
    (key.token, "GET", "workers/scripts", 403),
    (key.token, "GET", "storage/kv/namespaces", 403),
    (key.token, "GET", "tokens", 403),
]:
    assert status(method, path, token) == expected, (method, path, expected, status(method, path, token))

# ---- ended and expired keys ----------------------------------------------------------------------------------------
ended = Key(ITEM_READ, "signed")
ended.client().head_bucket(Bucket="signed")
api("DELETE", f"/accounts/{ACCOUNT}/tokens/{ended.id}")
fails("InvalidAccessKeyId", ended.client().get_object, Bucket="signed", Key="k")
late = Key(ITEM_READ, "signed", expires_on="2020-01-01T00:00:00Z")
fails("InvalidAccessKeyId", late.client().get_object, Bucket="signed", Key="k")
print("ok", HOST)
