"""What applications do with objects, through boto3."""

import datetime
import hashlib
import io
import os
import urllib.request

from common import ENDPOINT, HOST, Key, crc32c, crc64nvme, fails

key = Key()
s3 = key.client()
s3.create_bucket(Bucket="objects")
fails("BucketAlreadyOwnedByYou", s3.create_bucket, Bucket="objects")
fails("InvalidBucketName", s3.create_bucket, Bucket="under_score")
fails("InvalidLocationConstraint", s3.create_bucket, Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["objects"]
assert s3.get_bucket_location(Bucket="objects")["LocationConstraint"] == "auto"
s3.head_bucket(Bucket="objects")
fails(404, s3.head_bucket, Bucket="nowhere")

# ---- metadata, and names that have to be escaped -------------------------------------------------------------------
expires = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
kept = {
    "ContentType": "text/plain; charset=utf-8",
    "ContentLanguage": "de",
    "ContentDisposition": "inline",
    "ContentEncoding": "gzip",
    "CacheControl": "max-age=60",
    "Metadata": {"one": "1", "two": "zwei"},
}
for name in ["plain", "a b+c&d=e?f#g%h/ü/😀.txt", "//double//slash", "dots/../up", "tab\tand'quote\"<>&"]:
    s3.put_object(Bucket="objects", Key=name, Body=b"hello", Expires=expires, **kept)
    got = s3.get_object(Bucket="objects", Key=name)
    assert got["Body"].read() == b"hello"
    assert got["ExpiresString"] == "Wed, 02 Jan 2030 03:04:05 GMT"
    for field, value in kept.items():
        assert got[field] == value, (name, field, got[field])
    head = s3.head_object(Bucket="objects", Key=name)
    assert (head["ContentLength"], head["ETag"]) == (5, f'"{hashlib.md5(b"hello").hexdigest()}"')
    listed = s3.list_objects_v2(Bucket="objects", Prefix=name)["Contents"]
    assert [entry["Key"] for entry in listed] == [name]
    s3.delete_object(Bucket="objects", Key=name)
    fails("NoSuchKey", s3.get_object, Bucket="objects", Key=name)
    fails(404, s3.head_object, Bucket="objects", Key=name)
s3.delete_object(Bucket="objects", Key="never was")
s3.put_object(Bucket="objects", Key="empty", Body=b"")
assert s3.get_object(Bucket="objects", Key="empty")["Body"].read() == b""
fails("KeyTooLongError", s3.put_object, Bucket="objects", Key="k" * 1025, Body=b"")
fails("MetadataTooLarge", s3.put_object, Bucket="objects", Key="m", Body=b"", Metadata={"m": "x" * 8200})
fails("NoSuchBucket", s3.put_object, Bucket="nowhere", Key="k", Body=b"")

# ---- ranges and overrides ------------------------------------------------------------------------------------------
s3.put_object(Bucket="objects", Key="range", Body=b"0123456789")
for wanted, content, place in [
    ("bytes=2-4", b"234", "bytes 2-4/10"),
    ("bytes=7-", b"789", "bytes 7-9/10"),
    ("bytes=-2", b"89", "bytes 8-9/10"),
    ("bytes=5-99", b"56789", "bytes 5-9/10"),
]:
    got = s3.get_object(Bucket="objects", Key="range", Range=wanted)
    assert (got["Body"].read(), got["ContentRange"], got["ContentLength"]) == (content, place, len(content))
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert s3.head_object(Bucket="objects", Key="range", Range=wanted)["ContentLength"] == len(content)
fails("InvalidRange", s3.get_object, Bucket="objects", Key="range", Range="bytes=10-")
fails("InvalidRange", s3.get_object, Bucket="objects", Key="empty", Range="bytes=0-0")
got = s3.get_object(Bucket="objects", Key="range", ResponseContentType="x/y", ResponseCacheControl="no-store")
assert (got["ContentType"], got["CacheControl"]) == ("x/y", "no-store")

# ---- conditions ----------------------------------------------------------------------------------------------------
etag = s3.head_object(Bucket="objects", Key="range")["ETag"]
for call in (s3.get_object, s3.head_object):
    call(Bucket="objects", Key="range", IfMatch=etag)
    call(Bucket="objects", Key="range", IfNoneMatch='"other"')
    fails(412, call, Bucket="objects", Key="range", IfMatch='"other"')
    seen = fails(304, call, Bucket="objects", Key="range", IfNoneMatch=etag)
    assert seen["ResponseMetadata"]["HTTPHeaders"]["etag"] == etag
    now = datetime.datetime.now(datetime.timezone.utc)
    fails(304, call, Bucket="objects", Key="range", IfModifiedSince=now + datetime.timedelta(hours=1))
    fails(412, call, Bucket="objects", Key="range", IfUnmodifiedSince=now - datetime.timedelta(hours=1))
fails("PreconditionFailed", s3.put_object, Bucket="objects", Key="range", Body=b"new", IfNoneMatch="*")
fails("PreconditionFailed", s3.put_object, Bucket="objects", Key="range", Body=b"new", IfMatch='"other"')
fails("PreconditionFailed", s3.put_object, Bucket="objects", Key="absent", Body=b"new", IfMatch=etag)
fails("PreconditionFailed", s3.delete_object, Bucket="objects", Key="range", IfMatch='"other"')
s3.put_object(Bucket="objects", Key="range", Body=b"0123456789", IfMatch=etag)
s3.put_object(Bucket="objects", Key="first", Body=b"1", IfNoneMatch="*")

# ---- checksums -----------------------------------------------------------------------------------------------------
for given in (
    {"ChecksumAlgorithm": "CRC32"},
    {"ChecksumAlgorithm": "SHA1"},
    {"ChecksumAlgorithm": "SHA256"},
    {"ChecksumCRC32C": crc32c(b"hello")},
    {"ChecksumCRC64NVME": crc64nvme(b"hello")},
):
    put = s3.put_object(Bucket="objects", Key="sum", Body=b"hello", **given)
    got = s3.head_object(Bucket="objects", Key="sum", ChecksumMode="ENABLED")
    sums = {name: value for name, value in got.items() if name.startswith("Checksum") and name != "ChecksumType"}
    assert sums and all(put[name] == value for name, value in sums.items()), (given, put, got)
    assert s3.get_object(Bucket="objects", Key="sum")["Body"].read() == b"hello"
for wrong in (
    {"ContentMD5": "AAAAAAAAAAAAAAAAAAAAAA=="},
    {"ChecksumCRC32": "AAAAAA=="},
    {"ChecksumCRC32C": "AAAAAA=="},
    {"ChecksumCRC64NVME": "AAAAAAAAAAA="},
    {"ChecksumSHA256": "A" * 43 + "="},
):
    fails("BadDigest", s3.put_object, Bucket="objects", Key="wrong", Body=b"hello", **wrong)
    fails(404, s3.head_object, Bucket="objects", Key="wrong")
fails("InvalidDigest", s3.put_object, Bucket="objects", Key="wrong", Body=b"hello", ContentMD5="AAAA")

# ---- copies --------------------------------------------------------------------------------------------------------
s3.create_bucket(Bucket="copies")
s3.put_object(Bucket="objects", Key="from/ü", Body=b"copied", ContentType="a/b", Metadata={"k": "v"})
source = {"Bucket": "objects", "Key": "from/ü"}
copied = s3.copy_object(Bucket="copies", Key="to", CopySource=source)["CopyObjectResult"]
got = s3.get_object(Bucket="copies", Key="to")
assert (got["Body"].read(), got["ContentType"], got["Metadata"], got["ETag"]) == (b"copied", "a/b", {"k": "v"}, copied["ETag"])
s3.copy_object(Bucket="copies", Key="to", CopySource={"Bucket": "copies", "Key": "to"}, MetadataDirective="REPLACE", Metadata={"n": "w"}, ContentType="c/d")
got = s3.head_object(Bucket="copies", Key="to")
assert (got["ContentType"], got["Metadata"]) == ("c/d", {"n": "w"})
fails("PreconditionFailed", s3.copy_object, Bucket="copies", Key="x", CopySource=source, CopySourceIfMatch='"other"')
fails("PreconditionFailed", s3.copy_object, Bucket="copies", Key="x", CopySource=source, CopySourceIfNoneMatch=copied["ETag"])
fails("NoSuchKey", s3.copy_object, Bucket="copies", Key="x", CopySource={"Bucket": "objects", "Key": "absent"})

# ---- many at once, and what a bucket's end needs -------------------------------------------------------------------
fails("BucketNotEmpty", s3.delete_bucket, Bucket="copies")
deleted = s3.delete_objects(Bucket="copies", Delete={"Objects": [{"Key": "to"}, {"Key": "absent"}]})
assert sorted(entry["Key"] for entry in deleted["Deleted"]) == ["absent", "to"]
s3.put_object(Bucket="copies", Key="quiet", Body=b"")
assert "Deleted" not in s3.delete_objects(Bucket="copies", Delete={"Objects": [{"Key": "quiet"}], "Quiet": True})
s3.delete_bucket(Bucket="copies")
fails("NoSuchBucket", s3.list_objects_v2, Bucket="copies")

# ---- a customer's key ----------------------------------------------------------------------------------------------
secret = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": os.urandom(32)}
s3.put_object(Bucket="objects", Key="secret", Body=b"hidden", **secret)
got = s3.get_object(Bucket="objects", Key="secret", **secret)
assert (got["Body"].read(), got["SSECustomerAlgorithm"]) == (b"hidden", "AES256")
s3.head_object(Bucket="objects", Key="secret", **secret)
for other in ({}, {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": os.urandom(32)}):
    for call in (s3.get_object, s3.head_object):
        fails(403, call, Bucket="objects", Key="secret", **other)

# ---- storage classes -----------------------------------------------------------------------------------------------
s3.put_object(Bucket="objects", Key="cold", Body=b"", StorageClass="STANDARD_IA")
assert s3.head_object(Bucket="objects", Key="cold")["StorageClass"] == "STANDARD_IA"
fails("InvalidStorageClass", s3.put_object, Bucket="objects", Key="cold", Body=b"", StorageClass="GLACIER")

# ---- what R2 does not have -----------------------------------------------------------------------------------------
for call in (s3.get_bucket_acl, s3.get_bucket_versioning, s3.get_bucket_tagging, s3.get_bucket_policy, s3.list_object_versions):
    fails("NotImplemented", call, Bucket="objects")
fails("NotImplemented", s3.get_object_tagging, Bucket="objects", Key="range")
fails("NotImplemented", s3.get_object, Bucket="objects", Key="range", VersionId="abc")
fails("NotImplemented", s3.put_object, Bucket="objects", Key="x", Body=b"", Tagging="a=b")
fails("NotImplemented", s3.put_object, Bucket="objects", Key="x", Body=b"", ACL="public-read")
fails("NotImplemented", s3.put_object, Bucket="objects", Key="x", Body=b"", ServerSideEncryption="AES256")
fails("NotImplemented", s3.put_object, Bucket="objects", Key="x", Body=b"", ExpectedBucketOwner="1" * 12)
s3.put_object(Bucket="objects", Key="x", Body=b"", ACL="private")

# ---- the bucket, and the account, in the host ----------------------------------------------------------------------
port = HOST.rpartition(":")[2]
for host in (f"localhost:{port}", f"{os.environ['CLOUDFLARE_ACCOUNT_ID']}.localhost:{port}"):
    for style in ("virtual", "path"):
        named = key.client(f"http://{host}", s3={"addressing_style": style})
        named.put_object(Bucket="objects", Key="by host", Body=host.encode())
        assert named.get_object(Bucket="objects", Key="by host")["Body"].read() == host.encode()
        assert named.list_objects_v2(Bucket="objects", Prefix="by")["KeyCount"] == 1

# ---- presigned URLs, as boto3 makes them ---------------------------------------------------------------------------
url = s3.generate_presigned_url("put_object", {"Bucket": "objects", "Key": "presigned ü"}, 60)
urllib.request.urlopen(urllib.request.Request(url, b"by url", method="PUT"))
url = s3.generate_presigned_url("get_object", {"Bucket": "objects", "Key": "presigned ü", "ResponseContentType": "x/z"}, 60)
with urllib.request.urlopen(url) as answer:
    assert (answer.read(), answer.headers["content-type"]) == (b"by url", "x/z")

big = os.urandom(3 << 20)
s3.upload_fileobj(io.BytesIO(big), "objects", "big")
assert s3.get_object(Bucket="objects", Key="big")["Body"].read() == big
print("ok", ENDPOINT)
