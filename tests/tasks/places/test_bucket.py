import os
import pickle
from collections import Counter
from dataclasses import replace

import pytest

from http_server import Fault, busy, reset, slow
from sortal.configs.errors import RunError, TransientError, UsageError
from sortal.configs.remote import without_secrets
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.places import retries
from sortal.tasks.places.bucket import Bucket
from sortal.tasks.places.fetched import Reading
from sortal.tasks.places.rules import Rules


def bucket(reading, where="s3://pictures/in"):
    return Bucket.at(where, reading)


def listed(place, left_out=None):
    batches = place.files(Rules(), Counter() if left_out is None else left_out)
    return {row["path"]: row for batch in batches for row in batch.to_pylist()}


@pytest.fixture
def filled(s3):
    for i in range(5):
        s3.put(f"in/cat/{i}.jpg", bytes([i]) * (100 + i))
    s3.server.forget()
    return s3


def test_objects_are_listed_in_one_request_with_size_time_and_etag(filled, reading):
    rows = listed(bucket(reading))
    assert list(rows) == [f"cat/{i}.jpg" for i in range(5)]
    assert [row["bytes"] for row in rows.values()] == [100, 101, 102, 103, 104]
    assert all(row["version"] and row["mtime_ns"] > 0 for row in rows.values())
    assert len(filled.server.requests) == 1


def test_a_listing_goes_on_over_pages(filled, reading, monkeypatch):
    pages = []
    place = bucket(reading)
    call = place._fs().call_s3
    monkeypatch.setattr(
        place._fs(), "call_s3", lambda *a, **k: pages.append(1) or call(*a, MaxKeys=2, **k)
    )
    assert len(listed(place)) == 5 and len(pages) == 3


@pytest.mark.parametrize(
    "name", ["x y.jpg", "é.jpg", "a+b&c=d?e#f.jpg", "%41.jpg", "quote'\".jpg", "猫/猫.jpg"]
)
def test_any_name_is_listed_and_opened(s3, reading, name):
    s3.put(f"in/{name}", b"bytes")
    place = bucket(reading)
    assert list(listed(place)) == [name]
    assert place.open(name).read() == b"bytes"


def test_markers_of_folders_are_no_files_and_empty_objects_are(s3, reading):
    s3.put("in/", b"")
    s3.put("in/cat/", b"")
    s3.put("in/cat/0.jpg", b"")
    place = bucket(reading)
    assert list(listed(place)) == ["cat/0.jpg"]
    assert place.open("cat/0.jpg").read() == b""


def test_a_neighbour_whose_name_begins_alike_is_no_part_of_the_source(s3, reading):
    s3.put("in/0.jpg", b"in")
    s3.put("inside/0.jpg", b"other")
    assert list(listed(bucket(reading))) == ["0.jpg"]


def test_a_name_that_climbs_out_is_a_failed_file(s3, reading):
    s3.put("in/a/../../b.jpg", b"x")
    assert [row["error_code"] for row in listed(bucket(reading)).values()] == ["outside_root"]


def test_the_same_files_are_left_out_as_of_a_folder(s3, reading):
    for name in ("in/.hidden.jpg", "in/@eaDir/0.jpg", "in/__MACOSX/0.jpg", "in/0.jpg"):
        s3.put(name, b"x")
    left_out = Counter()
    assert list(listed(bucket(reading), left_out)) == ["0.jpg"]
    assert left_out.total() == 3


def test_one_object_is_a_source(s3, reading):
    s3.put("in/shard.tar", b"tar")
    place = bucket(reading, "s3://pictures/in/shard.tar")
    assert list(listed(place)) == ["shard.tar"]
    assert place.open("shard.tar").read() == b"tar"


def test_a_whole_bucket_is_a_source(filled, reading):
    assert "in/cat/0.jpg" in listed(bucket(reading, "s3://pictures"))


def test_a_listed_object_is_one_request_and_none_the_second_time(filled, reading):
    place = bucket(reading)
    listed(place)
    filled.server.forget()
    copy = pickle.loads(pickle.dumps(place))
    assert copy.open("cat/3.jpg").read() == bytes([3]) * 103
    assert copy.open("cat/3.jpg").read() == bytes([3]) * 103
    assert filled.server.requests == ["GET /pictures/in/cat/3.jpg"]


def test_without_a_cache_every_read_asks_the_server(filled, reading):
    place = bucket(
        replace(reading, settings=reading.settings.model_copy(update={"cache_bytes": 0}))
    )
    listed(place)
    for _ in range(2):
        assert place.open("cat/3.jpg").read() == bytes([3]) * 103
    assert filled.gets() == 2


def test_prefetched_objects_come_several_at_a_time_and_are_local_then(filled, reading):
    place = bucket(reading)
    names = list(listed(place))
    filled.server.most_at_once = 0
    filled.proxy.faults = [Fault("GET /pictures/in/cat", slow(0.2), 9)]
    place.prefetch([*names, "gone.jpg"])
    assert 1 < filled.server.most_at_once <= 8
    filled.server.forget()
    assert [len(place.open(name).read()) for name in names] == [100, 101, 102, 103, 104]
    assert not filled.server.requests
    with pytest.raises(ImageError) as error:
        place.open("gone.jpg")
    assert error.value.code == Code.MISSING


def test_a_changed_object_is_fetched_again_after_the_next_listing(filled, reading):
    place = bucket(reading)
    listed(place)
    assert place.open("cat/1.jpg").read() == bytes([1]) * 101
    filled.put("in/cat/1.jpg", b"n" * 101)
    assert listed(place)["cat/1.jpg"]["bytes"] == 101
    assert place.open("cat/1.jpg").read() == b"n" * 101


def test_an_object_that_shrank_since_it_was_listed_is_a_failure(filled, reading):
    place = bucket(reading)
    listed(place)
    filled.put("in/cat/1.jpg", b"short")
    filled.delete("in/cat/2.jpg")
    for name, code in (("cat/1.jpg", Code.CHANGED), ("cat/2.jpg", Code.MISSING)):
        with pytest.raises(ImageError) as error:
            place.open(name)
        assert error.value.code == code


@pytest.mark.parametrize("fault", [busy, reset], ids=["503", "reset"])
def test_what_passes_is_tried_again_and_what_stays_is_a_failure(filled, reading, fault):
    place = bucket(reading)
    listed(place)
    filled.proxy.faults = [Fault("GET /pictures/in/cat/0", fault, 2)]
    assert len(place.open("cat/0.jpg").read()) == 100
    filled.proxy.faults = [Fault("GET /pictures/in/cat/1", fault, 99)]
    with pytest.raises(ImageError) as error:
        place.open("cat/1.jpg")
    assert error.value.code == (Code.HTTP_500 if fault is busy else Code.UNREACHABLE)
    assert error.value.code.may_pass


def test_a_listing_survives_a_busy_server(filled, reading):
    filled.proxy.faults = [Fault("list-type", busy, 1), Fault("list-type", reset, 1)]
    assert len(listed(bucket(reading))) == 5


def test_a_server_that_fell_silent_stops_the_run(filled, reading, monkeypatch):
    place = bucket(reading)
    names = list(listed(place))
    monkeypatch.setattr(retries, "_IN_A_ROW", 3)
    filled.proxy.faults = [Fault("GET /pictures/in/cat", reset, 99)]
    for name in names[:3]:
        with pytest.raises(ImageError):
            place.open(name)
    with pytest.raises(TransientError, match="must answer"):
        place.open(names[3])


def test_a_large_object_is_read_by_ranges_that_grow(s3, reading):
    data = os.urandom(12_000_000)
    s3.put("in/big.tar", data)
    place = bucket(Reading(reading.settings))
    s3.server.forget()
    with place.open("big.tar") as file:
        assert file.seek(5_000_000) == 5_000_000 and file.read(100) == data[5_000_000:5_000_100]
        assert file.seek(-4, 2) and file.read() == data[-4:]
        file.seek(0)
        assert b"".join(iter(lambda: file.read(40_000), b"")) == data
    assert s3.gets() < 14


def test_a_large_object_is_kept_whole_where_it_fits(s3, reading):
    data = os.urandom(20_000_000)
    s3.put("in/big.tar", data)
    place = bucket(reading)
    listed(place)
    assert place.open("big.tar").read() == data
    s3.server.forget()
    assert place.open("big.tar").read(4) == data[:4] and not s3.server.requests


def test_a_large_object_that_changed_since_it_was_listed_is_a_failure(s3, reading):
    s3.put("in/big.tar", b"a" * 20_000_000)
    place = bucket(reading)
    listed(place)
    s3.put("in/big.tar", b"b" * 20_000_000)
    with pytest.raises(ImageError) as error:
        place.open("big.tar")
    assert error.value.code == Code.CHANGED


def test_a_missing_bucket_or_folder_is_one_line(s3, reading):
    for where in ("s3://no-such-bucket/in", "s3://pictures/nothing"):
        with pytest.raises(UsageError, match=f"source must exist, got {where}"):
            listed(bucket(reading, where))


def test_no_access_is_one_line_that_says_what_to_set(filled, reading):
    denied = Fault("list-type", lambda request: request.answer(403) or True, 9)
    filled.proxy.faults = [denied]
    with pytest.raises(RunError, match=r"access was refused; set .*secret_block"):
        listed(bucket(reading))


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "http://no-such-host.invalid"])
def test_no_network_is_one_line(s3, reading, endpoint):
    place = Bucket("s3://pictures/in", reading, options={"endpoint_url": endpoint})
    with pytest.raises(TransientError, match="s3://pictures/in must be reachable"):
        listed(place)


def test_a_server_that_does_not_answer_is_given_up_soon(filled, reading, monkeypatch):
    monkeypatch.setattr(retries, "CONTACT", 0.3)
    filled.proxy.faults = [Fault("list-type", slow(1), 9)]
    with pytest.raises(TransientError, match="s3://pictures/in must answer"):
        listed(bucket(reading))


def test_keys_inside_a_url_are_used_and_never_shown(filled, reading):
    public = without_secrets("s3://KEY:S/E+CRET@pictures/in")
    place = bucket(reading, public)
    assert public == place.location == "s3://pictures/in"
    assert place.options == {"key": "KEY", "secret": "S/E+CRET"}
    assert len(listed(place)) == 5
    assert "CRET" not in repr(place)


def test_a_scheme_that_nothing_reads_is_one_line(reading):
    with pytest.raises(UsageError, match=r"s3://, gs://, .* got nonsense://"):
        bucket(reading, "nonsense://x")


def test_other_filesystems_of_fsspec_are_walked(tmp_path, reading):
    import fsspec

    fs = fsspec.filesystem("memory")
    for name in ("/walk/b/2.jpg", "/walk/b/1.jpg", "/walk/a/x/3.jpg", "/walk/c.jpg"):
        fs.pipe(name, name.encode())
    place = bucket(reading, "memory://walk")
    assert list(listed(place)) == ["a/x/3.jpg", "b/1.jpg", "b/2.jpg", "c.jpg"]
    assert place.open("b/1.jpg").read() == b"/walk/b/1.jpg"
