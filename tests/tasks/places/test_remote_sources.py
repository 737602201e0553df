import io
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from http_server import Fault, busy, reset, serving
from image_files import CONFIG, codes, rows, write
from sortal.configs.errors import UsageError
from sortal.configs.remote import RemoteConfig
from sortal.storage.collections.place import place_of, source_at
from sortal.tasks.pictures.decode import read_image
from sortal.tasks.scan.step import scan
from sortal.tasks.sources.registry import open_source
from sortal.tasks.sources.urls import UrlSource

QUICK = CONFIG.model_copy(
    update={"remote": RemoteConfig(backoff=0.01, retries=1, timeout=20.0, concurrency=8)}
)
SMALL = CONFIG.model_copy(update={"remote": RemoteConfig(cache_bytes=0)})


def run(workspace, source, config=QUICK):
    return scan(workspace, source=source, config=config)


def picture(tmp_path, seed, **size):
    return write(tmp_path / f"made/{seed}.png", seed, **size).read_bytes()


@pytest.fixture
def pictures(tmp_path):
    return {f"{('cat', 'dog')[i % 2]}/{i}.png": picture(tmp_path, i) for i in range(10)}


@pytest.fixture
def filled(s3, pictures):
    for name, data in pictures.items():
        s3.put(f"in/{name}", data)
    s3.server.forget()
    return s3


def test_a_bucket_gives_the_same_rows_as_a_folder(filled, pictures, workspace, tmp_path):
    for name, data in pictures.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    far, near = run(workspace, "s3://pictures/in"), run(workspace, str(tmp_path / "in"))
    assert rows(workspace, far) == rows(workspace, near)
    assert far.identity == near.identity
    assert {row["label"] for row in rows(workspace, far).values()} == {"cat", "dog"}


def test_an_unchanged_bucket_is_one_listing_and_a_grown_one_reads_what_is_new(
    filled, workspace, tmp_path
):
    first = run(workspace, "s3://pictures/in")
    assert filled.gets() == 10
    filled.server.forget()
    assert run(workspace, "s3://pictures/in") == first
    assert filled.listings() == len(filled.server.requests) == 1
    filled.put("in/cat/new.png", picture(tmp_path, 77))
    filled.put("in/dog/1.png", picture(tmp_path, 78))
    filled.server.forget()
    assert len(rows(workspace, run(workspace, "s3://pictures/in"))) == 11
    assert filled.gets() == 2


def test_what_the_scan_read_is_not_fetched_again(filled, pictures, workspace):
    run(workspace, "s3://pictures/in")
    filled.server.forget()
    source = open_source("s3://pictures/in")
    assert {name: source.read(name) for name in pictures} == pictures
    assert not filled.server.requests


def test_an_object_that_changes_behind_a_scan_is_never_another_picture(filled, workspace, tmp_path):
    found = rows(workspace, run(workspace, "s3://pictures/in", SMALL))
    filled.put("in/cat/0.png", picture(tmp_path, 99))
    source = open_source("s3://pictures/in")
    failed = read_image(source, found["cat/0.png"] | {"offset": None}, QUICK)
    assert failed.error_code == "changed" and not failed.lasting


def tar_of(pictures):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in pictures.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def zip_of(pictures):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in pictures.items():
            archive.writestr(name, data)
    return out.getvalue()


def parquet_of(pictures):
    out = io.BytesIO()
    labels = [name.split("/")[0] for name in pictures]
    pq.write_table(pa.table({"image": list(pictures.values()), "label": labels}), out)
    return out.getvalue()


@pytest.mark.parametrize("config", [QUICK, SMALL], ids=["cached", "by ranges"])
def test_containers_in_a_bucket_are_read_like_any(s3, pictures, workspace, config):
    s3.put("in/a.tar", tar_of(pictures))
    s3.put("in/b.zip", zip_of(pictures))
    s3.put("in/c.parquet", parquet_of(pictures))
    found = rows(workspace, run(workspace, "s3://pictures/in", config))
    assert len(found) == 30 and all(row["status"] == "ok" for row in found.values())
    source = open_source("s3://pictures/in")
    for path, row in found.items():
        data = source.read(path, row["offset"], row["bytes"])
        assert data in pictures.values()
    s3.server.forget()
    run(workspace, "s3://pictures/in", config)
    assert len(s3.server.requests) == 1


def test_one_container_in_a_bucket_or_on_the_web_is_a_source(s3, pictures, workspace):
    s3.put("in/a.tar", tar_of(pictures))
    assert set(rows(workspace, run(workspace, "s3://pictures/in/a.tar"))) == set(pictures)
    with serving(lambda request: request.answer(body=tar_of(pictures), ETag='"1"')) as web:
        assert set(rows(workspace, run(workspace, f"{web.url}/x/a.tar?v=2"))) == set(pictures)
        assert len(web.requests) == 3 + 1  # asked for the state twice and the listing, then fetched


def test_an_object_that_stays_busy_is_a_failed_row_that_the_next_run_tries_again(filled, workspace):
    filled.proxy.faults = [Fault("GET /pictures/in/cat/0.png", busy, 99)]
    first = run(workspace, "s3://pictures/in")
    assert {k: v for k, v in codes(workspace, first).items() if v} == {"cat/0.png": "http_500"}
    filled.proxy.faults = []
    filled.server.forget()
    second = run(workspace, "s3://pictures/in")
    assert not any(codes(workspace, second).values()) and filled.gets() == 1
    filled.server.forget()
    assert run(workspace, "s3://pictures/in") == second and filled.gets() == 0


class Web:
    """Pictures by number, and what goes wrong by name."""

    def __init__(self, pictures):
        self.pictures = list(pictures.values())

    def __call__(self, request):
        name = request.path.partition("?")[0].rpartition("/")[2]
        if name in ("404", "403", "500"):
            return request.answer(int(name))
        if name == "reset":
            return reset(request)
        if name == "moved":
            return request.answer(301, Location="/3.png")
        if name == "page.png":
            return request.answer(body=b"<html>Sorry</html>", Content_Type="text/html")
        if name == "text.png":
            return request.answer(body=b"no picture", Content_Type="image/png")
        number = int("".join(filter(str.isdigit, name)) or 0)
        request.answer(body=self.pictures[number % len(self.pictures)], Content_Type="image/png")


@pytest.fixture
def web(pictures):
    with serving(Web(pictures)) as server:
        yield server


def test_a_table_of_urls_has_a_row_for_every_url(web, workspace, tmp_path):
    names = ["1.png", "2", "moved", "404", "403", "500", "reset", "page.png", "text.png", "1.png"]
    lines = [f"{web.url}/{name},{'cat' if i % 2 else 'dog'}" for i, name in enumerate(names)]
    (tmp_path / "list.csv").write_text("\n".join(["url,label", *lines, "nonsense,cat", ",dog"]))
    found = run(workspace, f"urls:{tmp_path / 'list.csv'}")
    assert {path.rpartition("/")[2]: code for path, code in codes(workspace, found).items()} == {
        "1.png": None, "2": None, "moved": None, "404": "http_404", "403": "http_403",
        "500": "http_500", "reset": "unreachable", "page.png": "not_an_image",
        "text.png": "not_an_image", "nonsense": "bad_url", "row 12": "bad_url",
    }  # fmt: skip
    assert rows(workspace, found)[f"{web.url}/2"]["label"] == "cat"
    assert found.facts["n_files"] == 12
    assert found.facts["others"] == {"URL that is listed before": 1}


def test_a_table_is_fetched_once_and_what_may_pass_is_tried_again(web, workspace, tmp_path):
    names = [f"{i}.png" for i in range(5)] + ["404", "500"]
    (tmp_path / "list.txt").write_text("\n".join(f"{web.url}/{name}" for name in names))
    where = f"urls:{tmp_path / 'list.txt'}"
    first = run(workspace, where)
    web.forget()
    assert run(workspace, where).identity == first.identity
    assert set(web.counts) == {"/404", "/500"}  # the first failed without a key, and so is new
    web.forget()
    verified = run(workspace, where, QUICK.model_copy(update={"verify": True}))
    assert verified.identity == first.identity and len(web.counts) == 7


def test_a_thousand_urls_are_fetched_in_bounded_lanes(web, workspace):
    table = "\n".join(f"/pictures/{i}.png" for i in range(1000))
    with serving(lambda request: request.answer(body=table.encode())) as lists:
        lists.handle = lambda request: request.answer(body=f"url\n{table}".encode())
        table = "\n".join(f"{web.url}/{i}.png" for i in range(1000))
        found = run(workspace, f"{lists.url}/all/list.csv")
    assert found.facts["n_ok"] == 1000
    assert len(web.requests) == 1000 and web.most_at_once <= 8


def test_a_parquet_of_urls_is_told_from_one_of_pictures(s3, web, pictures, workspace):
    out = io.BytesIO()
    pq.write_table(pa.table({"URL": [f"{web.url}/{i}.png" for i in range(3)], "n": [1, 2, 3]}), out)
    s3.put("in/list.parquet", out.getvalue())
    s3.put("in/pictures.parquet", parquet_of(pictures))
    assert isinstance(open_source("s3://pictures/in/list.parquet"), UrlSource)
    assert set(rows(workspace, run(workspace, "s3://pictures/in/list.parquet"))) == {
        f"{web.url}/{i}.png" for i in range(3)
    }
    assert len(rows(workspace, run(workspace, "s3://pictures/in/pictures.parquet"))) == 10


def test_no_secret_of_a_url_is_written_anywhere(web, workspace, tmp_path):
    lines = [f"{web.url}/{i}.png?id={i}&X-Amz-Signature=S3CR3T{i}" for i in range(4)]
    lines += [f"{web.url}/404?token=S3CR3T"]
    with serving(lambda request: request.answer(body="\n".join(lines).encode())) as lists:
        where = f"{lists.url.replace('//', '//me:S3CR3T@')}/list.txt?sig=S3CR3T"
        found = run(workspace, where)
        assert found.facts["n_ok"] == 4
        assert all("sig=S3CR3T" in request for request in lists.requests)
    assert all("S3CR3T" in request for request in web.requests)
    assert set(rows(workspace, found)) == {f"{web.url}/{i}.png?id={i}" for i in range(4)} | {
        f"{web.url}/404"
    }
    for path in workspace.root.rglob("*"):
        assert path.is_dir() or b"S3CR3T" not in path.read_bytes(), path


def test_a_list_that_is_not_there_is_one_line(tmp_path, workspace):
    for where in (tmp_path / "nothing.csv", tmp_path):
        with pytest.raises(UsageError, match="urls: must be followed by a table of URLs"):
            run(workspace, f"urls:{where}")


def test_a_local_table_is_told_how_to_be_given(tmp_path):
    (tmp_path / "list.csv").write_text("url\nhttps://h/a.jpg\n")
    with pytest.raises(UsageError, match="urls:"):
        open_source(str(tmp_path / "list.csv"))


def test_reading_goes_on_in_another_process(filled, pictures, workspace):
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    run(workspace, "s3://pictures/in")
    source = open_source("s3://pictures/in")
    source.read("cat/0.png")  # the filesystem and its thread are there already
    with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as pool:
        assert list(pool.map(source.read, pictures)) == list(pictures.values())


def test_a_table_of_urls_is_the_same_collection_from_any_folder(tmp_path, workspace, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = place_of("urls:list.csv", workspace)
    assert place == f"urls:{tmp_path}/list.csv" == place_of(place, workspace)
    assert source_at(place, workspace) == place
    assert place_of("urls:https://u:p@h/l.csv?sig=x", workspace) == "urls:https://h/l.csv"
