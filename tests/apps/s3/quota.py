"""Writing over the account's quota of 4 MiB, and deleting under it."""

from common import Key, fails

MB = 1 << 20
s3 = Key().client()
s3.create_bucket(Bucket="quota")
s3.put_object(Bucket="quota", Key="a", Body=b"a" * 3 * MB)
fails("InsufficientStorage", s3.put_object, Bucket="quota", Key="b", Body=b"b" * 2 * MB)
upload = s3.create_multipart_upload(Bucket="quota", Key="b")["UploadId"]
part = {"Bucket": "quota", "Key": "b", "UploadId": upload, "PartNumber": 1}
fails("InsufficientStorage", s3.upload_part, Body=b"b" * 2 * MB, **part)
fails("InsufficientStorage", s3.copy_object, Bucket="quota", Key="c", CopySource="quota/a")
assert len(s3.get_object(Bucket="quota", Key="a")["Body"].read()) == 3 * MB
s3.delete_object(Bucket="quota", Key="a")
s3.put_object(Bucket="quota", Key="b", Body=b"b" * 2 * MB)
