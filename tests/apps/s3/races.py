"""Conditional writes that many clients make at once: exactly one of them wins, each time."""

import concurrent.futures
import threading

from common import Key
from botocore.exceptions import ClientError

CLIENTS, ROUNDS = 16, 12
key = Key()
clients = [key.client(max_pool_connections=2) for _ in range(CLIENTS)]
s3 = clients[0]
s3.create_bucket(Bucket="races")


def race(attempt):
    """Runs `attempt(client, number)` of all clients at once; the numbers of those that won."""
    start = threading.Barrier(CLIENTS)

    def one(number):
        start.wait()
        try:
            attempt(clients[number], number)
            return number
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 412, error.response
            return None

    won = [number for number in pool.map(one, range(CLIENTS)) if number is not None]
    assert len(won) == 1, won
    return won[0]


def uploaded(client, name, number):
    where = {"Bucket": "races", "Key": name}
    upload = client.create_multipart_upload(**where)["UploadId"]
    etag = client.upload_part(UploadId=upload, PartNumber=1, Body=str(number).encode(), **where)["ETag"]
    return {**where, "UploadId": upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": etag}]}}


def content(name):
    got = s3.get_object(Bucket="races", Key=name)
    return int(got["Body"].read()), got["ETag"]


with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
    for turn in range(ROUNDS):
        name = f"made-{turn}"
        winner = race(lambda client, number: client.put_object(Bucket="races", Key=name, Body=str(number).encode(), IfNoneMatch="*"))
        seen, etag = content(name)
        assert seen == winner
        # The same content would have the same ETag, which is no change that a condition could see.
        winner = race(lambda client, number: client.put_object(Bucket="races", Key=name, Body=str(100 + number).encode(), IfMatch=etag))
        seen, etag = content(name)
        assert seen == 100 + winner
        parts = [uploaded(client, name, 200 + number) for number, client in enumerate(clients)]
        winner = race(lambda client, number: client.complete_multipart_upload(IfMatch=etag, **parts[number]))
        assert content(name)[0] == 200 + winner
        new = f"parts-{turn}"
        parts = [uploaded(client, new, number) for number, client in enumerate(clients)]
        winner = race(lambda client, number: client.complete_multipart_upload(IfNoneMatch="*", **parts[number]))
        assert content(new)[0] == winner
print("ok")
