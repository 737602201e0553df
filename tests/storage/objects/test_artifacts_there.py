"""Artifacts in a bucket: whole or not there, brought where they are not, kept while they count."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from http_server import Fault
from sortal.configs.errors import RunError, TransientError, UsageError
from sortal.storage.artifacts import Artifact, Written, find, keep, publish
from sortal.storage.mirror import Mirror
from sortal.storage.workspace import Workspace

KEY = "a" * 32
URL = "s3://pictures/team"


def body(folder: Path) -> Written:
    (folder / "numbers.txt").write_text("1 2 3\n" * 100)
    (folder / "more").mkdir()
    (folder / "more" / "letters.txt").write_text("a b c")
    (folder / "empty").write_bytes(b"")
    return Written(rows=3, identity="i" * 32, facts={"sum": 6})


def made(workspace: Workspace) -> Artifact:
    return publish(workspace, "sums", KEY, body)


def test_another_machine_has_what_one_made(first, second):
    artifact = made(first)
    assert find(second, "sums", KEY) == artifact
    for name in ("numbers.txt", "more/letters.txt", "empty", "manifest.json"):
        own, others = artifact.file(first, name), artifact.file(second, name)
        assert own.read_bytes() == others.read_bytes()


def test_what_was_made_without_a_bucket_is_published_when_it_is_of_use(first, second, bucket):
    made(Workspace(first.root, None))
    assert bucket.names() == []
    found = find(first, "sums", KEY)
    keep(first, found)
    assert find(second, "sums", KEY) == found
    bucket.server.forget()
    keep(first, found)
    assert bucket.server.requests == []  # this process has seen it there


def die(root: Path, point: str) -> None:
    os.environ |= {"SORTAL_TESTING": "1", "SORTAL_FAULT": f"KILL {point} manifest"}
    made(Workspace(root))


@pytest.mark.parametrize(
    ("point", "counts"), [("objects.sent", False), ("objects.published", True)]
)
def test_a_machine_that_dies_half_way_leaves_nothing_that_counts(
    first, second, bucket, point, counts
):
    process = multiprocessing.get_context("spawn").Process(target=die, args=(first.root, point))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert any("numbers.txt" in name for name in bucket.names())
    assert (find(second, "sums", KEY) is not None) == counts
    keep(first, find(first, "sums", KEY))  # the next run of the machine that died
    assert find(second, "sums", KEY)


def data_object(bucket, word: str) -> str:
    (name,) = [name for name in bucket.names() if word in name and not name.endswith(".json")]
    return name


@pytest.mark.parametrize("wrong", [b"1 2 3\n" * 99 + b"1 2 4\n", b"short"])
def test_an_object_of_other_bytes_is_no_hit_and_is_made_again(first, second, bucket, wrong, caplog):
    artifact = made(first)
    bucket.put(data_object(bucket, "numbers.txt"), wrong)
    assert find(second, "sums", KEY) is None
    assert "holds other bytes; it is made again" in caplog.text
    assert list(second.artifacts.glob("*/*")) == []
    assert made(second) == artifact
    assert find(Workspace(second.root.with_name("third")).create(), "sums", KEY) == artifact


def test_a_missing_object_or_a_torn_manifest_is_no_hit(first, second, bucket):
    made(first)
    bucket.delete(data_object(bucket, "letters.txt"))
    assert find(second, "sums", KEY) is None
    made(second)
    bucket.put(f"team/artifacts/sums/{KEY}/manifest.json", b'{"artifact": ')
    assert find(Workspace(first.root.with_name("third")).create(), "sums", KEY) is None


def test_a_machine_with_a_sound_copy_publishes_again_what_the_bucket_lost(first, second, bucket):
    found = made(first)
    bucket.delete(data_object(bucket, "letters.txt"))
    keep(first, found)
    assert find(second, "sums", KEY) == found


def test_a_damaged_copy_is_brought_anew(first, bucket):
    artifact = made(first)
    artifact.file(first, "numbers.txt").write_text("4 5 6")
    assert find(first, "sums", KEY) == artifact
    assert artifact.file(first, "numbers.txt").read_text().startswith("1 2 3")


def test_a_large_file_is_sent_in_parts_and_checked_without_being_read_back(first, second, bucket):
    def large(folder: Path) -> Written:
        (folder / "large").write_bytes(os.urandom(1 << 20) * 20)
        return Written()

    artifact = publish(first, "sums", KEY, large)
    sent = [each for each in bucket.server.requests if "/large." in each]
    assert sum("partNumber=" in each for each in sent) == 3
    assert not [each for each in sent if each.startswith("GET")]
    assert find(second, "sums", KEY) == artifact


def test_a_server_that_fails_for_a_moment_is_asked_again(first, second, bucket):
    def busy(request) -> bool:
        request.rfile.read(int(request.headers.get("Content-Length") or 0))
        request.answer(503)
        return True

    def hang_up(request) -> bool:
        request.reset()
        return True

    bucket.proxy.faults = [Fault("PUT", busy, 2), Fault("GET", hang_up, 2)]
    artifact = made(first)
    bucket.proxy.faults = [Fault("GET", busy, 3)]
    assert find(second, "sums", KEY) == artifact


def test_a_server_that_is_down_is_one_line_and_worth_a_retry(first, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    forget_clients()
    try:
        with pytest.raises(TransientError, match="must be reachable.*AWS_ENDPOINT_URL") as raised:
            made(first)
        assert "\n" not in str(raised.value)
    finally:
        forget_clients()
    assert find(Workspace(first.root, None), "sums", KEY)  # what was made is kept


def forget_clients() -> None:
    from sortal.storage.objects import filesystems

    filesystems._opened.clear()


@pytest.mark.parametrize("write", [True, False])
def test_a_bucket_that_is_not_there_is_one_line_before_any_work(write):
    mirror = Mirror.of(Workspace(Path("nowhere"), "s3://no-such-bucket/team"))
    with pytest.raises(RunError, match="must be in a bucket that exists.*make the bucket"):
        mirror.bucket.require(write)


def test_refused_credentials_are_one_line(first, bucket):
    def refused(request) -> bool:
        request.rfile.read(int(request.headers.get("Content-Length") or 0))
        request.answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        return True

    bucket.proxy.faults = [Fault("PUT", refused, 99)]
    mirror = Mirror.of(first)
    mirror.bucket.require(write=False)
    with pytest.raises(RunError, match="access was refused; set those of its provider"):
        mirror.bucket.require(write=True)


@pytest.mark.parametrize(
    ("url", "words"),
    [("/mnt/share", "must be a bucket"), ("s3://", "must be a bucket"),
     ("ftp://host/x", "must be a bucket"), ("s3://KEY:HUSH@bucket/x", "no credentials")],
)  # fmt: skip
def test_what_is_no_bucket_is_refused(monkeypatch, url, words):
    monkeypatch.setenv("SORTAL_OBJECTS", url)
    with pytest.raises(UsageError, match=words) as raised:
        Workspace(Path("x"))
    assert "HUSH" not in str(raised.value)


def test_a_bucket_of_another_version_is_refused(first, bucket):
    bucket.put("team/sortal-objects.json", b'{"format": 2}')
    with pytest.raises(RunError, match="another version"):
        Mirror.of(first).bucket.require(write=True)


def test_an_address_may_end_in_a_slash(monkeypatch):
    monkeypatch.setenv("SORTAL_OBJECTS", f"{URL}/")
    assert Workspace(Path("x")).objects == URL


def test_without_a_bucket_nothing_of_it_is_imported(tmp_path):
    code = (
        "import sys, sortal.storage.vector_sets, sortal.storage.lake.lake as lake\n"
        "from sortal.storage.workspace import Workspace\n"
        "from pathlib import Path\n"
        f"place = Workspace(Path({str(tmp_path / 'plain')!r})).create()\n"
        "lake.Lake(place).close()\n"
        "print({'fsspec', 's3fs', 'botocore', 'aiohttp'} & set(sys.modules))\n"
    )
    clean = {name: value for name, value in os.environ.items() if name != "SORTAL_OBJECTS"}
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, env=clean, capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"
