"""Multipart uploads: what their clients do, and what they do wrong. `SIZE_MB` says how large the largest is."""

import base64
import hashlib
import io
import os
import sys
import zlib

from boto3.s3.transfer import TransferConfig
from common import Key, crc32, crc64nvme, fails

MB = 1 << 20
size = int(os.environ.get("SIZE_MB", "64")) * MB
s3 = Key().client(retries={"max_attempts": 3})
s3.create_bucket(Bucket="multipart")


class Content(io.RawIOBase):
    """Bytes that differ everywhere, made as they are read."""

    def __init__(self, length):
        self.length, self.place = length, 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=0):
        self.place = offset + {0: 0, 1: self.place, 2: self.length}[whence]
        return self.place

    def tell(self):
        return self.place

    def read(self, wanted=-1):
        end = self.length if wanted is None or wanted < 0 else min(self.length, self.place + wanted)
        first, last = self.place // 64, -(-end // 64)
        blocks = b"".join(b"%063d\n" % block for block in range(first, last))
        content = blocks[self.place - first * 64 : end - first * 64]
        self.place = end
        return content


# ---- a large one, and what its end says -----------------------------------------------------------------------------
parts = TransferConfig(multipart_threshold=8 * MB, multipart_chunksize=8 * MB, max_concurrency=4)
s3.upload_fileobj(Content(size), "multipart", "large", Config=parts, ExtraArgs={"ContentType": "x/large", "Metadata": {"k": "v"}})
head = s3.head_object(Bucket="multipart", Key="large", ChecksumMode="ENABLED")
assert (head["ContentLength"], head["ContentType"], head["Metadata"]) == (size, "x/large", {"k": "v"})
reader, md5s, crcs = Content(size), [], []
while chunk := reader.read(8 * MB):
    md5s.append(hashlib.md5(chunk).digest())
    crcs.append(zlib.crc32(chunk).to_bytes(4, "big"))
assert head["ETag"] == f'"{hashlib.md5(b"".join(md5s)).hexdigest()}-{len(md5s)}"', head["ETag"]
composite = base64.b64encode(zlib.crc32(b"".join(crcs)).to_bytes(4, "big")).decode()
assert (head["ChecksumCRC32"], head["ChecksumType"]) == (f"{composite}-{len(crcs)}", "COMPOSITE"), head
body, expected = s3.get_object(Bucket="multipart", Key="large")["Body"], Content(size)
while chunk := body.read(MB):
    assert chunk == expected.read(len(chunk))
assert expected.tell() == size
edge = 8 * MB
got = s3.get_object(Bucket="multipart", Key="large", Range=f"bytes={edge - 5}-{edge + 4}")["Body"].read()
place = Content(size)
place.seek(edge - 5)
assert got == place.read(10)

# ---- part by part ---------------------------------------------------------------------------------------------------
def begin(name, **how):
    return {"Bucket": "multipart", "Key": name, "UploadId": s3.create_multipart_upload(Bucket="multipart", Key=name, **how)["UploadId"]}


def put(upload, number, body, **how):
    return {"PartNumber": number, "ETag": s3.upload_part(PartNumber=number, Body=body, **upload, **how)["ETag"]}


def complete(upload, parts, **how):
    return s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload, **how)


five = b"5" * (5 * MB)
upload = begin("by hand")
sent = [put(upload, 2, b"second"), put(upload, 1, b"replaced"), put(upload, 1, five)]
first, second = sent[2], sent[0]
listed = s3.list_parts(**upload)
assert [(part["PartNumber"], part["Size"]) for part in listed["Parts"]] == [(1, 5 * MB), (2, 6)]
page = s3.list_parts(MaxParts=1, **upload)
assert (page["IsTruncated"], page["NextPartNumberMarker"]) == (True, 1)
assert s3.list_parts(PartNumberMarker=1, **upload)["Parts"][0]["PartNumber"] == 2
fails("InvalidPartOrder", complete, upload, [second, first])
fails("InvalidPart", complete, upload, [first, {**second, "ETag": '"0"'}])
fails("InvalidPart", complete, upload, [first, {**second, "PartNumber": 3}])
fails("MalformedXML", complete, upload, [])
fails(404, s3.head_object, Bucket="multipart", Key="by hand")
fails("PreconditionFailed", complete, upload, [first, second], IfMatch='"other"')
complete(upload, [first, second], IfNoneMatch="*")
assert s3.get_object(Bucket="multipart", Key="by hand")["Body"].read() == five + b"second"
for number, content in ((1, five), (2, b"second")):
    one = s3.get_object(Bucket="multipart", Key="by hand", PartNumber=number)
    about = s3.head_object(Bucket="multipart", Key="by hand", PartNumber=number)
    assert one["Body"].read() == content
    for said in (one, about):
        assert (said["PartsCount"], said["ContentLength"]) == (2, len(content)), said
    assert one["ResponseMetadata"]["HTTPStatusCode"] == 206
fails("InvalidRange", s3.get_object, Bucket="multipart", Key="by hand", PartNumber=3)
fails("InvalidRequest", s3.get_object, Bucket="multipart", Key="by hand", PartNumber=1, Range="bytes=0-1")
fails("NoSuchUpload", put, upload, 1, b"")
again = begin("by hand")
part = put(again, 1, b"x")
fails("PreconditionFailed", complete, again, [part], IfNoneMatch="*")
s3.abort_multipart_upload(**again)
fails("NoSuchUpload", s3.list_parts, **again)

small = begin("small")
parts = [put(small, 1, b"too small"), put(small, 2, b"last")]
fails("EntityTooSmall", complete, small, parts)
fails("InvalidArgument", put, small, 10_001, b"")
fails("BadDigest", put, small, 3, b"x", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
s3.abort_multipart_upload(**small)

# ---- checksums of the whole ----------------------------------------------------------------------------------------
for algorithm in ("CRC32", "CRC64NVME"):
    value = crc64nvme if algorithm == "CRC64NVME" else crc32
    whole = begin("whole", ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
    body, tail = five, b"tail"
    if algorithm == "CRC64NVME":  # bit by bit in Python: five megabytes would take a while
        body = tail
        parts = [put(whole, 1, body, ChecksumCRC64NVME=value(body))]
        content = body
    else:
        parts = [put(whole, 1, body, ChecksumAlgorithm=algorithm), put(whole, 2, tail, ChecksumAlgorithm=algorithm)]
        content = body + tail
    fails("BadDigest", complete, whole, parts, **{f"Checksum{algorithm}": value(b"other"), "ChecksumType": "FULL_OBJECT"})
    done = complete(whole, parts, **{f"Checksum{algorithm}": value(content), "ChecksumType": "FULL_OBJECT"})
    assert (done[f"Checksum{algorithm}"], done["ChecksumType"]) == (value(content), "FULL_OBJECT"), done
    assert s3.get_object(Bucket="multipart", Key="whole")["Body"].read() == content

# ---- parts that are copies ------------------------------------------------------------------------------------------
copy = begin("copy")
source = {"Bucket": "multipart", "Key": "by hand"}


def take(number, wanted):
    copied = s3.upload_part_copy(PartNumber=number, CopySource=source, CopySourceRange=wanted, **copy)
    return {"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]}


parts = [take(1, f"bytes=0-{5 * MB - 1}"), take(2, f"bytes={5 * MB}-{5 * MB + 5}")]
complete(copy, parts)
assert s3.get_object(Bucket="multipart", Key="copy")["Body"].read() == five + b"second"
s3.copy({"Bucket": "multipart", "Key": "large"}, "multipart", "managed copy", Config=TransferConfig(multipart_threshold=16 * MB, multipart_chunksize=16 * MB))
assert s3.head_object(Bucket="multipart", Key="managed copy")["ContentLength"] == size

# ---- listing those under way ----------------------------------------------------------------------------------------
names = ["a", "a", "b/1", "b/2", "c"]
begun = [begin(name) for name in names]
listed = s3.list_multipart_uploads(Bucket="multipart")["Uploads"]
assert [entry["Key"] for entry in listed] == names
folded = s3.list_multipart_uploads(Bucket="multipart", Delimiter="/")
assert [entry["Key"] for entry in folded["Uploads"]] == ["a", "a", "c"]
assert [entry["Prefix"] for entry in folded["CommonPrefixes"]] == ["b/"]
seen, marker = [], {}
while True:
    page = s3.list_multipart_uploads(Bucket="multipart", MaxUploads=2, Delimiter="/", **marker)
    seen += [entry["Key"] for entry in page.get("Uploads", [])] + [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
    if not page["IsTruncated"]:
        break
    marker = {"KeyMarker": page["NextKeyMarker"]}
    if page.get("NextUploadIdMarker"):
        marker["UploadIdMarker"] = page["NextUploadIdMarker"]
assert sorted(seen) == ["a", "a", "b/", "c"], seen
for upload in begun:
    s3.abort_multipart_upload(**upload)
assert "Uploads" not in s3.list_multipart_uploads(Bucket="multipart")
print("ok", size, file=sys.stderr)
