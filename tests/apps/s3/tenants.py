"""What an access key of one account does to the bucket of another."""

from common import ACCOUNT, HOST, ITEM_WRITE, Key, Signer, api, expect, fails, send

import os

THEIRS = os.environ["THEIR_BUCKET"]

own = Key()
s3 = own.client()
s3.create_bucket(Bucket="own")
s3.put_object(Bucket="own", Key="o", Body=b"own")
named = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
assert named == ["own"], named

# Of another account's bucket there is nothing to be had, and nobody is told that it exists.
for key in (own, Key(ITEM_WRITE, "own")):
    client = key.client()
    for call, more in [
        (client.get_object, {"Key": "o"}),
        (client.head_object, {"Key": "o"}),
        (client.put_object, {"Key": "o", "Body": b"x"}),
        (client.delete_object, {"Key": "o"}),
        (client.list_objects_v2, {}),
        (client.create_multipart_upload, {"Key": "m"}),
        (client.get_bucket_cors, {}),
        (client.get_bucket_lifecycle_configuration, {}),
        (client.delete_bucket, {}),
    ]:
        try:
            call(Bucket=THEIRS, **more)
        except Exception as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            assert status in (403, 404), (call.__name__, error.response)
        else:
            raise AssertionError(f"{call.__name__} went well")
fails(404, s3.copy_object, Bucket="own", Key="c", CopySource=f"{THEIRS}/o")

# A signature of one's own over another's path is one of a stranger too.
headers, _, _ = Signer(own).headers("GET", f"/{THEIRS}/o")
assert send("GET", f"/{THEIRS}/o", headers).status in (403, 404)
assert send("GET", Signer(own).presigned("GET", f"/{THEIRS}/o")).status in (403, 404)
# Nor is it there under the name of their account, where the host has that.
def by_host(key, host, path):
    host = f"{host}.localhost:{HOST.rpartition(':')[2]}"
    return send("GET", path, Signer(key).headers("GET", path, headers={"host": host})[0])


for key in (own, Key(ITEM_WRITE, "own")):
    expect(by_host(key, ACCOUNT, "/own/o"), 200)
    expect(by_host(key, f"own.{ACCOUNT}", "/o"), 200)
    theirs = os.environ["THEIR_ACCOUNT"]
    expect(by_host(key, theirs, f"/{THEIRS}/o"), 403, "AccessDenied")
    expect(by_host(key, f"{THEIRS}.{theirs}", "/o"), 403, "AccessDenied")
# Nor does a key made for another's bucket come into being.
policy = {
    "effect": "allow",
    "permission_groups": [{"name": ITEM_WRITE}],
    "resources": {f"com.cloudflare.edge.r2.bucket.{os.environ['THEIR_ACCOUNT']}_default_{THEIRS}": "*"},
}
try:
    api("POST", "/user/tokens", {"name": "s3", "policies": [policy]})
except Exception as error:
    assert error.code == 403, error
else:
    raise AssertionError("a key for another account's bucket was made")
expect(send("GET", f"/{THEIRS}/o"), 403, "AccessDenied")
