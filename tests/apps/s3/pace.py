"""An account that may have two requests in a minute: what is not let in uses up none of them."""

from common import Key, Signer, expect, fails, send

key = Key()
s3 = key.client()
for _ in range(3):
    headers, _, _ = Signer(key, "another secret").headers("GET", "/")
    expect(send("GET", "/", headers), 403, "SignatureDoesNotMatch")
s3.list_buckets()
s3.list_buckets()
seen = fails("SlowDown", s3.list_buckets)["ResponseMetadata"]
assert seen["HTTPStatusCode"] == 503 and 1 <= int(seen["HTTPHeaders"]["retry-after"]) <= 30, seen
fails("SlowDown", s3.put_object, Bucket="none", Key="a", Body=b"a")
expect(send("GET", Signer(key).presigned("GET", "/none/a")), 503, "SlowDown")
