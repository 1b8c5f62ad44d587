"""Listing, page by page, in both versions. `KEYS` says how many keys."""

import concurrent.futures
import http.client
import os
import time

from common import HOST, UNSIGNED, Key, Signer, fails, quoted

count = int(os.environ.get("KEYS", "3000"))
key = Key()
s3 = key.client()
s3.create_bucket(Bucket="listing")

# Characters of one to four bytes: UTF-8 and UTF-16 do not sort alike.
special = ["a b", "a+b", "a%20b", "a/", "a//b", "ä", "\uffee", "\U0001f600", "~"]
names = sorted([f"k/{number % 10}/{number:06}" for number in range(count)] + special, key=lambda name: name.encode())


def fill(some):
    """One connection for many keys, signed by hand: boto3 would take most of the time."""
    signer, connection = Signer(key), http.client.HTTPConnection(HOST)
    for name in some:
        path = f"/listing/{name}"
        headers, _, _ = signer.headers("PUT", path, payload=UNSIGNED)
        connection.request("PUT", quoted(path, "/"), b"x", headers)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, (name, content)


began = time.monotonic()
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(fill, [names[start::8] for start in range(8)]))
print(f"{len(names)} keys written in {time.monotonic() - began:.1f} s")


def every(operation, **how):
    pages = s3.get_paginator(operation).paginate(Bucket="listing", **how)
    keys, prefixes, sizes = [], [], []
    for page in pages:
        keys += [entry["Key"] for entry in page.get("Contents", [])]
        prefixes += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        sizes.append(len(page.get("Contents", [])) + len(page.get("CommonPrefixes", [])))
    return keys, prefixes, sizes


for operation in ("list_objects_v2", "list_objects"):
    began = time.monotonic()
    keys, _, sizes = every(operation)
    print(f"{operation}: {len(keys)} keys in {time.monotonic() - began:.2f} s")
    assert keys == names
    assert sizes == [1000] * (len(names) // 1000) + [len(names) % 1000], sizes
    assert every(operation, Prefix="k/3/")[0] == [name for name in names if name.startswith("k/3/")]
    keys, prefixes, _ = every(operation, Prefix="k/", Delimiter="/")
    assert (keys, prefixes) == ([], [f"k/{digit}/" for digit in range(10)])
    # One entry at a time: a folded prefix is passed once, however many keys it stands for.
    keys, prefixes, sizes = every(operation, Delimiter="/", PaginationConfig={"PageSize": 1})
    assert sorted(keys + prefixes) == sorted({"a/", "k/", "a b", "a+b", "a%20b", "ä", "\uffee", "\U0001f600", "~"}), (keys, prefixes)
    assert max(sizes) == 1
    keys, _, _ = every(operation, Prefix="k/1/", PaginationConfig={"PageSize": 7, "MaxItems": 50})
    assert keys == [name for name in names if name.startswith("k/1/")][:50]

behind = names[len(names) // 2]
assert every("list_objects_v2", StartAfter=behind)[0] == names[len(names) // 2 + 1 :]
assert s3.list_objects(Bucket="listing", Marker=behind, MaxKeys=1)["Contents"][0]["Key"] == names[len(names) // 2 + 1]
empty = s3.list_objects_v2(Bucket="listing", MaxKeys=0)
assert (empty["KeyCount"], empty["IsTruncated"]) == (0, False)
assert s3.list_objects_v2(Bucket="listing", MaxKeys=5000)["MaxKeys"] == 1000
plain = s3.list_objects_v2(Bucket="listing", Prefix="a", EncodingType="url")
assert [entry["Key"] for entry in plain["Contents"]] == ["a%20b", "a%2520b", "a%2Bb", "a/", "a//b"], plain["Contents"]
fails("InvalidArgument", s3.list_objects_v2, Bucket="listing", ContinuationToken="no token of ours")
fails("InvalidArgument", s3.list_objects_v2, Bucket="listing", MaxKeys=-1)

began = time.monotonic()
for start in range(0, len(names), 1000):
    s3.delete_objects(Bucket="listing", Delete={"Objects": [{"Key": name} for name in names[start : start + 1000]], "Quiet": True})
print(f"deleted in {time.monotonic() - began:.1f} s")
assert s3.list_objects_v2(Bucket="listing")["KeyCount"] == 0
s3.delete_bucket(Bucket="listing")
print("ok")
