import gzip
import io
import os
import pickle
import time
from collections import Counter
from dataclasses import replace

import pytest

from http_server import reset, serving
from sortal.configs.errors import RunError, TransientError, UsageError
from sortal.configs.remote import without_secrets
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.places.fetched import Reading
from sortal.tasks.places.rules import Rules
from sortal.tasks.places.web_place import WebFile, WebFiles

BIG = os.urandom(3_000_000)
STATUSES = {401: "http_403", 403: "http_403", 404: "http_404", 410: "http_404", 418: "http_400",
            204: "http_400", 429: "http_429", 500: "http_500", 503: "http_500"}  # fmt: skip


class Site:
    """Answers by the path of the request; `passing` ones fail so many times before they answer."""

    def __init__(self):
        self.passing = Counter()

    def __call__(self, request):
        name = request.path.partition("?")[0].rpartition("/")[2]
        if self.passing[name] > 0:
            self.passing[name] -= 1
            return request.answer(503, Retry_After="0.01")
        if name.isdigit():
            return request.answer(int(name))
        return getattr(self, name.partition(".")[0], self.picture)(request)

    def picture(self, request):
        request.answer(body=f"bytes of {request.path}".encode(), Content_Type="image/jpeg")

    def moved(self, request):
        request.answer(302, Location="/picture.jpg")

    def round(self, request):
        request.answer(302, Location="/round")

    def page(self, request):
        request.answer(body=b"\n<!DOCTYPE html><p>Sorry", Content_Type="text/html; charset=utf-8")

    def mislabelled(self, request):
        request.answer(body=b"\xff\xd8\xff picture", Content_Type="text/html")

    def zipped(self, request):
        request.answer(body=gzip.compress(b"plain"), Content_Encoding="gzip")

    def bomb(self, request):
        request.answer(body=gzip.compress(bytes(5_000_000)), Content_Encoding="gzip")

    def huge(self, request):
        request.answer(body=bytes(3_000_000))

    def endless(self, request):
        request.send_response(200)
        request.end_headers()
        for _ in range(300):
            request.wfile.write(bytes(100_000))
        request.close_connection = True

    def cut(self, request):
        request.send_response(200)
        request.send_header("Content-Length", "100")
        request.end_headers()
        request.wfile.write(b"half")
        request.close_connection = True

    def silent(self, request):
        time.sleep(1.5)

    def gone(self, request):
        reset(request)

    def ranged(self, request):
        headers = {"ETag": '"1"', "Accept_Ranges": "bytes"}
        wanted = request.headers.get("Range")
        if not wanted:
            return request.answer(body=BIG, **headers)
        start, stop = map(int, wanted.removeprefix("bytes=").split("-"))
        return request.answer(206, BIG[start : stop + 1], **headers)


@pytest.fixture
def site():
    site = Site()
    with serving(site) as server:
        server.site = site
        yield server


@pytest.fixture
def files(reading):
    return WebFiles("urls:list.txt", replace(reading, max_bytes=2_000_000))


def code(files, url):
    with pytest.raises(ImageError) as error:
        files.open(url)
    return error.value.code


def test_a_url_is_fetched_once(site, files):
    url = f"{site.url}/a/picture.jpg?id=3"
    copy = pickle.loads(pickle.dumps(files))
    assert files.open(url).read() == copy.open(url).read() == b"bytes of /a/picture.jpg?id=3"
    assert len(site.requests) == 1


def test_without_a_cache_the_bytes_are_there_too(site, files):
    alone = WebFiles("urls:list.txt", Reading(files.reading.settings))
    assert alone.open(f"{site.url}/picture.jpg").read() == b"bytes of /picture.jpg"


def test_a_verifying_reader_fetches_again_what_others_kept(site, files):
    url = f"{site.url}/picture.jpg"
    files.open(url)
    fresh = WebFiles(files.location, replace(files.reading, fresh=True))
    for _ in range(2):
        assert fresh.open(url).read()
    assert len(site.requests) == 2


@pytest.mark.parametrize(("status", "expected"), STATUSES.items())
def test_a_status_is_an_error_code(site, files, status, expected):
    assert code(files, f"{site.url}/{status}") == expected
    tries = 3 if expected in ("http_429", "http_500") else 1
    assert site.counts[f"/{status}"] == tries


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("round", Code.HTTP_400),
        ("page.jpg", Code.NOT_AN_IMAGE),
        ("huge.jpg", Code.TOO_LARGE),
        ("endless.jpg", Code.TOO_LARGE),
        ("bomb.jpg", Code.TOO_LARGE),
        ("cut.jpg", Code.UNREACHABLE),
        ("gone.jpg", Code.UNREACHABLE),
    ],
)
def test_what_is_wrong_with_an_answer_is_an_error_code(site, files, name, expected):
    assert code(files, f"{site.url}/{name}") == expected


def test_an_answer_that_does_not_come_is_given_up(site, files):
    hasty = files.reading.settings.model_copy(update={"timeout": 0.2, "retries": 0})
    place = WebFiles(files.location, replace(files.reading, settings=hasty))
    assert code(place, f"{site.url}/silent.jpg") == Code.UNREACHABLE


@pytest.mark.parametrize(
    "url", ["ftp://x/a.jpg", "file:///etc/passwd", "/etc/passwd", "http://[::1"]
)
def test_only_web_addresses_are_fetched(files, url):
    assert code(files, url) == Code.BAD_URL


@pytest.mark.parametrize(
    ("name", "expected"),
    [("moved", b"bytes of /picture.jpg"), ("zipped.jpg", b"plain"),
     ("mislabelled.jpg", b"\xff\xd8\xff picture")],
)  # fmt: skip
def test_redirects_compression_and_wrong_kinds_do_no_harm(site, files, name, expected):
    assert files.open(f"{site.url}/{name}").read() == expected


def test_what_passes_is_tried_again(site, files):
    site.site.passing["picture.jpg"] = 2
    assert files.open(f"{site.url}/picture.jpg").read()


def test_a_dead_server_is_not_waited_for_again_and_again(site, files):
    urls = [f"{site.url}/gone.jpg?{i}" for i in range(40)]
    assert {code(files, url) for url in urls} == {Code.UNREACHABLE}
    assert len(site.requests) == 8 * 3


def test_many_are_fetched_at_once_and_failures_keep_their_reasons(site, files):
    good = [f"{site.url}/picture.jpg?{i}" for i in range(60)]
    bad = [f"{site.url}/404?{i}" for i in range(5)]
    files.prefetch(good + bad)
    assert len(site.requests) == 65 and site.most_at_once <= 8
    assert {code(files, url) for url in bad} == {Code.HTTP_404}
    assert all(files.open(url).read() for url in good)
    assert len(site.requests) == 65


def test_a_cache_that_is_too_small_is_no_reason_to_fail(site, files):
    small = files.reading.settings.model_copy(update={"cache_bytes": 50})
    place = WebFiles("urls:list.txt", replace(files.reading, settings=small))
    urls = [f"{site.url}/picture.jpg?{i}" for i in range(20)]
    place.prefetch(urls)
    assert [place.open(url).read() for url in urls] == [
        f"bytes of /picture.jpg?{i}".encode() for i in range(20)
    ]
    assert sum(path.is_file() for path in files.reading.home.rglob("*")) < 5


def listed(place):
    batches = place.files(Rules(), Counter())
    return [row for batch in batches for row in batch.to_pylist()]


def test_one_file_is_a_place(site, reading):
    place = WebFile.at(f"{site.url}/in/ranged.tar", reading)
    (row,) = listed(place)
    assert (row["path"], row["bytes"], row["version"]) == ("ranged.tar", len(BIG), "1")
    assert place.open("ranged.tar").read() == BIG
    site.forget()
    assert pickle.loads(pickle.dumps(place)).open("ranged.tar").read() == BIG
    assert not site.requests


def test_one_file_that_does_not_fit_is_read_by_ranges(site, reading):
    place = WebFile.at(f"{site.url}/ranged.tar", Reading(reading.settings))
    place = replace(place, reading=replace(reading, settings=reading.settings.model_copy(
        update={"cache_bytes": 1000})))  # fmt: skip
    listed(place)
    with place._stream(place._file("ranged.tar")) as file:
        file.seek(2_000_000)
        assert file.read(10) == BIG[2_000_000:2_000_010]
        assert file.seek(-5, io.SEEK_END) and file.read() == BIG[-5:]


def test_one_file_of_unknown_size_is_read_whole(site, reading):
    place = WebFile.at(f"{site.url}/zipped.csv", reading)
    listed(place)
    assert place.open("zipped.csv").read() == b"plain"


@pytest.mark.parametrize(
    ("name", "error"), [("404", UsageError), ("403", RunError), ("gone", TransientError)]
)
def test_one_file_that_cannot_be_had_is_one_line(site, reading, name, error):
    with pytest.raises(error, match=f"{site.url}/{name}"):
        listed(WebFile.at(f"{site.url}/{name}", reading))


def test_a_signature_is_used_and_never_shown(site, reading):
    url = f"{site.url}/picture.jpg?id=7&X-Amz-Signature=s3cr3t"
    place = WebFile.at(without_secrets(url.replace("//", "//user:pass@")), reading)
    assert place.location == f"{site.url}/picture.jpg?id=7"
    assert place.open("picture.jpg").read() == b"bytes of /picture.jpg?id=7&X-Amz-Signature=s3cr3t"
    for text in (repr(place), repr(place.reading)):
        assert "s3cr3t" not in text and "pass@" not in text
