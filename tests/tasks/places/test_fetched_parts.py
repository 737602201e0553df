import io
import os
import random
from pathlib import Path

import pytest

from sortal.tasks.errors import Code, ImageError
from sortal.tasks.places.base import File
from sortal.tasks.places.cache import Cache
from sortal.tasks.places.ranged import ranged
from sortal.tasks.places.remembered import Remembered
from sortal.tasks.places.retries import code_of


def add(cache, name, data, version="1"):
    with cache.adding(name, version) as file:
        file.write(data)


def sizes(folder: Path):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_cache_gives_back_a_version_and_no_other(tmp_path):
    cache = Cache(tmp_path, 1000)
    add(cache, "a", b"one")
    assert cache.find("a", "1").read() == b"one"
    assert cache.find("a", "2") is None and cache.find("b", "1") is None


def test_the_cache_stays_within_its_limit_and_loses_what_was_not_used_for_longest(tmp_path):
    cache = Cache(tmp_path, 10_000)
    for i in range(40):
        add(cache, str(i), bytes(500))
        for path in tmp_path.rglob("*"):  # clocks of some disks are coarse
            os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns - 10_000_000))
        cache.find("0", "1").close()
        assert sizes(tmp_path) <= 10_000
    assert cache.find("39", "1") and cache.find("0", "1") and not cache.find("5", "1")


def test_a_file_whose_fetching_failed_is_not_kept(tmp_path):
    cache = Cache(tmp_path, 1000)
    with pytest.raises(ValueError), cache.adding("a", "1") as file:
        file.write(b"half")
        raise ValueError
    assert cache.find("a", "1") is None and sizes(tmp_path) == 0


def test_a_new_process_counts_what_others_kept(tmp_path, monkeypatch):
    add(Cache(tmp_path, 10_000), "a", bytes(9000))
    monkeypatch.setattr("sortal.tasks.places.cache._added", {})
    add(Cache(tmp_path, 10_000), "b", bytes(4000))
    assert sizes(tmp_path) == 4000


def test_a_listing_is_remembered_once_it_is_complete(tmp_path):
    files = [File(f"{i}.jpg", i, 10 * i, version=f"v{i}") for i in range(70_000)]
    memory = Remembered(tmp_path / "l.arrow")
    begun = memory.kept(iter(files))
    next(begun)
    begun.close()
    assert memory.find("1.jpg") is None
    assert list(memory.kept(iter(files))) == files
    assert all(memory.find(file.path) == file for file in files[::20_001])
    assert memory.find("nothing.jpg") is None
    assert list(memory.kept(iter(files[:2]))) == files[:2]
    assert memory.find("1.jpg") == files[1] and memory.find("2.jpg") is None


def test_a_damaged_memory_is_no_memory(tmp_path):
    (tmp_path / "l.arrow").write_bytes(b"nonsense")
    assert Remembered(tmp_path / "l.arrow").find("a") is None


def test_ranges_give_the_same_bytes_as_the_file():
    data, rng, asked = os.urandom(3_000_000), random.Random(0), []

    def fetch(start, stop):
        asked.append(stop - start)
        return data[start:stop]

    far, near = ranged(fetch, len(data)), io.BytesIO(data)
    for _ in range(300):
        place, count = rng.randrange(len(data) + 10), rng.choice([1, 512, 70_000, 400_000])
        assert far.seek(place) == near.seek(place)
        assert far.read(count) == near.read(count)
        assert far.tell() == near.tell()
    assert max(asked) < len(data)


def test_headers_of_a_tar_are_read_with_few_requests():
    data, asked = bytes(50_000_000), []

    def fetch(start, stop):
        asked.append(stop - start)
        return data[start:stop]

    far = ranged(fetch, len(data))
    for place in range(0, len(data), 100_000):
        far.seek(place)
        far.read(512)
    assert len(asked) < 20


class StatusError(Exception):
    def __init__(self, status):
        self.response = {"ResponseMetadata": {"HTTPStatusCode": status}}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FileNotFoundError("x"), Code.MISSING),
        (PermissionError("x"), Code.HTTP_403),
        (StatusError(503), Code.HTTP_500),
        (StatusError(429), Code.HTTP_429),
        (StatusError(404), Code.HTTP_404),
        (type("NoCredentialsError", (Exception,), {})(), Code.HTTP_403),
        (ConnectionResetError(), Code.UNREACHABLE),
        (TimeoutError(), Code.UNREACHABLE),
        (ImageError(Code.CHANGED), Code.CHANGED),
    ],
)
def test_an_error_of_any_client_is_a_code(error, code):
    assert code_of(error) == code
    outer = RuntimeError("wrapped")
    outer.__cause__ = error
    assert code_of(outer) == code
