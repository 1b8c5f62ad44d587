"""CORS and lifecycle rules, which are the bucket's own: what S3 sets, the API shows."""

import datetime
import json
import time
import urllib.request

from common import ACCOUNT, HOST, Key, Signer, api, expect, fails, send

key = Key()
s3 = key.client()
s3.create_bucket(Bucket="settings", CreateBucketConfiguration={"LocationConstraint": "weur"})
assert s3.get_bucket_location(Bucket="settings")["LocationConstraint"] == "weur"
s3.put_object(Bucket="settings", Key="k", Body=b"hello")

# ---- CORS ----------------------------------------------------------------------------------------------------------
page, other = "https://app.example", "https://evil.example"
target = Signer(key).presigned("GET", "/settings/k")
ask = {"origin": page, "access-control-request-method": "GET", "access-control-request-headers": "range"}
expect(send("OPTIONS", "/settings/k", ask), 403, "AccessDenied")
assert "access-control-allow-origin" not in send("GET", target, {"origin": page}).headers
fails("NoSuchCORSConfiguration", s3.get_bucket_cors, Bucket="settings")
rules = [
    {
        "ID": "one",
        "AllowedOrigins": [page],
        "AllowedMethods": ["GET", "PUT"],
        "AllowedHeaders": ["range", "x-amz-*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 600,
    }
]
s3.put_bucket_cors(Bucket="settings", CORSConfiguration={"CORSRules": rules})
assert s3.get_bucket_cors(Bucket="settings")["CORSRules"] == rules
shown = api("GET", f"/accounts/{ACCOUNT}/r2/buckets/settings/cors")["rules"]
assert shown[0]["allowed"] == {"origins": [page], "methods": ["GET", "PUT"], "headers": ["range", "x-amz-*"]}, shown
answer = send("OPTIONS", "/settings/k", ask)
assert (answer.status, answer.headers["access-control-allow-origin"], answer.headers["access-control-max-age"]) == (204, page, "600")
for refused in ({"origin": other}, {"access-control-request-method": "DELETE"}, {"access-control-request-headers": "x-other"}):
    expect(send("OPTIONS", "/settings/k", {**ask, **refused}), 403, "AccessDenied")
nowhere = send("OPTIONS", "/nowhere/k", ask)
assert (nowhere.status, nowhere.body) == (403, send("OPTIONS", "/settings/k", {**ask, "origin": other}).body)
answer = expect(send("GET", target, {"origin": page}), 200)
assert (answer.headers["access-control-allow-origin"], answer.headers["access-control-expose-headers"]) == (page, "ETag")
assert "access-control-allow-origin" not in send("GET", target, {"origin": other}).headers
for bad in ({"AllowedMethods": ["PATCH"]}, {"AllowedOrigins": ["https://*.*"]}):
    fails(400, s3.put_bucket_cors, Bucket="settings", CORSConfiguration={"CORSRules": [{**rules[0], **bad}]})
# … and what the API sets, S3 shows.
api("PUT", f"/accounts/{ACCOUNT}/r2/buckets/settings/cors", {"rules": [{"allowed": {"origins": ["*"], "methods": ["HEAD"]}}]})
assert s3.get_bucket_cors(Bucket="settings")["CORSRules"] == [{"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD"]}]
s3.delete_bucket_cors(Bucket="settings")
fails("NoSuchCORSConfiguration", s3.get_bucket_cors, Bucket="settings")

# ---- lifecycle -----------------------------------------------------------------------------------------------------
rules = [
    {
        "ID": "old logs",
        "Status": "Enabled",
        "Filter": {"Prefix": "logs/"},
        "Expiration": {"Days": 90},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}],
    },
    {
        "ID": "on a day",
        "Status": "Disabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"Date": datetime.datetime(2031, 1, 1, tzinfo=datetime.timezone.utc)},
    },
]
s3.put_bucket_lifecycle_configuration(Bucket="settings", LifecycleConfiguration={"Rules": rules})
seen = s3.get_bucket_lifecycle_configuration(Bucket="settings")["Rules"]
assert seen == rules, seen
shown = api("GET", f"/accounts/{ACCOUNT}/r2/buckets/settings/lifecycle")["rules"]
assert shown[0]["deleteObjectsTransition"] == {"condition": {"type": "Age", "maxAge": 90 * 86400}}, json.dumps(shown)
for bad in (
    {"Filter": {"Tag": {"Key": "a", "Value": "b"}}},
    {"Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]},
    {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
):
    wrong = {"Rules": [{**rules[0], **bad}]}
    fails(400, s3.put_bucket_lifecycle_configuration, Bucket="settings", LifecycleConfiguration=wrong)
s3.put_object(Bucket="settings", Key="logs/expired", Body=b"x")
past = {**rules[0], "Expiration": {"Date": datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)}}
s3.put_bucket_lifecycle_configuration(Bucket="settings", LifecycleConfiguration={"Rules": [past]})
for _ in range(300):
    if s3.list_objects_v2(Bucket="settings", Prefix="logs/")["KeyCount"] == 0:
        break
    time.sleep(0.1)
else:
    raise AssertionError("a rule that is set does not expire what it is for")
assert s3.list_objects_v2(Bucket="settings")["KeyCount"] == 1
s3.delete_bucket_lifecycle(Bucket="settings")
fails("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket="settings")
assert urllib.request.urlopen(f"http://{HOST}{target}").read() == b"hello"
print("ok")
