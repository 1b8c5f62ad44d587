"""The aws command and rclone, as people run them. `SIZE_MB` says how large the largest file is."""

import filecmp
import os
import pathlib
import subprocess
import sys
import urllib.request

from common import ENDPOINT, ITEM_READ, Key

MB = 1 << 20
size = int(os.environ.get("SIZE_MB", "64"))
here = pathlib.Path(os.environ["TMPDIR"])
admin = Key()
reader = Key(ITEM_READ, "commands")

tree = here / "tree"
for name, content in {"a.txt": b"a", "sub dir/ü.txt": b"uml", "sub dir/empty": b"", "sub dir/deep/b+c": b"bc"}.items():
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
large = here / "large"
with large.open("wb") as file:
    for _ in range(size):
        file.write(os.urandom(MB))


def run(command, key=admin, good=True, **more):
    env = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": key.id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_DEFAULT_REGION": "auto",
        "AWS_ENDPOINT_URL": ENDPOINT,
        "RCLONE_CONFIG_HEARTH_TYPE": "s3",
        "RCLONE_CONFIG_HEARTH_PROVIDER": "Cloudflare",
        "RCLONE_CONFIG_HEARTH_ENDPOINT": ENDPOINT,
        "RCLONE_CONFIG_HEARTH_REGION": "auto",
        "RCLONE_CONFIG_HEARTH_ENV_AUTH": "true",
        **more,
    }
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert (done.returncode == 0) == good, (command, done.returncode, done.stdout, done.stderr)
    return done.stdout if good else done.stderr


def same(left, right):
    names = sorted(path.relative_to(left) for path in left.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(right) for path in right.rglob("*") if path.is_file()), (left, right)
    for name in names:
        assert filecmp.cmp(left / name, right / name, shallow=False), name


# ---- aws -----------------------------------------------------------------------------------------------------------
aws = [str(pathlib.Path(sys.executable).parent / "aws")]
run([*aws, "s3", "mb", "s3://commands"])
assert "commands" in run([*aws, "s3", "ls"])
run([*aws, "s3", "cp", str(large), "s3://commands/large"])
run([*aws, "s3", "cp", "s3://commands/large", str(here / "large-aws")])
assert filecmp.cmp(large, here / "large-aws", shallow=False)
run([*aws, "s3", "sync", str(tree), "s3://commands/tree"])
run([*aws, "s3", "sync", "s3://commands/tree", str(here / "tree-aws")])
same(tree, here / "tree-aws")
assert run([*aws, "s3", "sync", str(tree), "s3://commands/tree"]) == "", "nothing is left to do"
assert "PRE sub dir/" in run([*aws, "s3", "ls", "s3://commands/tree/"])
run([*aws, "s3", "mv", "s3://commands/tree/a.txt", "s3://commands/tree/moved.txt"])
url = run([*aws, "s3", "presign", "s3://commands/tree/moved.txt", "--expires-in", "60"]).strip()
assert urllib.request.urlopen(url).read() == b"a"
assert "AccessDenied" in run([*aws, "s3", "cp", str(large), "s3://commands/no"], reader, good=False)
assert "AccessDenied" in run([*aws, "s3", "ls"], reader, good=False)
run([*aws, "s3", "rm", "--recursive", "s3://commands/tree"])
assert run([*aws, "s3", "ls", "s3://commands/tree/"], good=False) == ""

# ---- rclone --------------------------------------------------------------------------------------------------------
rclone = ["rclone", "--config", str(here / "none.conf"), "--quiet"]
run([*rclone, "copy", str(large), "hearth:commands/rclone"])
run([*rclone, "copyto", "hearth:commands/rclone/large", str(here / "large-rclone")])
assert filecmp.cmp(large, here / "large-rclone", shallow=False)
run([*rclone, "sync", str(tree), "hearth:commands/tree"])
run([*rclone, "check", str(tree), "hearth:commands/tree"])
run([*rclone, "sync", "hearth:commands/tree", str(here / "tree-rclone")])
same(tree, here / "tree-rclone")
assert sorted(run([*rclone, "lsf", "hearth:commands/tree"]).split("\n")) == ["", "a.txt", "sub dir/"]
run([*rclone, "moveto", "hearth:commands/tree/a.txt", "hearth:commands/tree/moved"])
assert run([*rclone, "cat", "hearth:commands/tree/moved"]) == "a"
run([*rclone, "mkdir", "hearth:by-rclone"])
run([*rclone, "rmdir", "hearth:by-rclone"])
run([*rclone, "copy", "hearth:commands/tree", str(here / "tree-reader")], reader)
assert "AccessDenied" in run([*rclone, "copy", str(tree), "hearth:commands/no", "--s3-no-check-bucket", "--retries", "1"], reader, good=False)
run([*rclone, "purge", "hearth:commands"])
assert "commands" not in run([*aws, "s3", "ls"])
print("ok")
