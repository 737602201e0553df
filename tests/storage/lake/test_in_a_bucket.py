"""A lake's data files in a bucket, its catalogue on a real PostgreSQL."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakes import assignments, run_row, tables
from postgres import database
from s3_storage import Storage, s3_server  # noqa: F401 - a fixture
from sortal.configs.errors import RunError, TransientError, UsageError
from sortal.storage.lake.catalogue import CATALOGUE_VARIABLE, DATA_VARIABLE
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.owner import MARKER
from sortal.storage.maintenance.lake_files import (
    expire_snapshots,
    merge_files,
    orphaned_files,
    unused_files,
)
from sortal.storage.maintenance.verify import check_lake_file, lake_files
from sortal.storage.objects import failures, filesystems
from sortal.storage.workspace import Workspace

DATA = "s3://pictures/lake"


@pytest.fixture(scope="module")
def catalogue(server: str, s3_server: Storage) -> Iterator[str]:  # noqa: F811
    """A lake whose data files are in the bucket, of which two machines have published a run."""
    url = database(server)
    with pytest.MonkeyPatch.context() as straight, tempfile.TemporaryDirectory() as folder:
        straight.setenv("AWS_ENDPOINT_URL", s3_server.straight)  # the proxy takes its time
        filesystems._opened.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(DATA_VARIABLE, DATA)
            for number, name in enumerate(("first", "second")):
                with Lake(Workspace(Path(folder) / name), catalogue=url) as lake:
                    lake.publish(*large(number))
        assert not list(Path(folder).rglob("*.parquet"))
        yield url
    filesystems._opened.clear()


@pytest.fixture
def there(catalogue: str, monkeypatch) -> str:
    monkeypatch.setenv(CATALOGUE_VARIABLE, catalogue)
    return catalogue


def large(number: int) -> tuple:
    """A run with so many rows that DuckLake writes files for them."""
    row = run_row(number, scan="shared")
    mine = assignments(row, [str(i) for i in range(100)], [0] * 100)
    return row, {**tables(row), "assignments": mine}


def rows(lake: Lake) -> int:
    return lake.query("SELECT count(key) AS n FROM assignments")["n"][0].as_py()


def parquet(storage: Storage, prefix: str = "lake/") -> list[str]:
    return [name for name in storage.names(prefix) if name.endswith(".parquet")]


def test_machines_share_a_lake_whose_files_are_in_a_bucket(there, tmp_path, s3_server):  # noqa: F811
    """The catalogue remembers where; no machine but the one that made it is told."""
    assert len(parquet(s3_server)) >= 2
    assert f"lake/{MARKER}" in s3_server.names("lake/")
    with Lake(Workspace(tmp_path), read_only=True) as lake:
        lake.confine()
        assert rows(lake) == 200
        with pytest.raises(Exception, match="disabled|not allowed|Permission"):
            lake.query("FROM read_text('sortal-s3://pictures/team/sortal-objects.json')")


def test_another_lake_is_refused_there(there, server, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv(CATALOGUE_VARIABLE, database(server))
    monkeypatch.setenv(DATA_VARIABLE, DATA)
    with pytest.raises(UsageError, match=f"the data folder {DATA}/ belongs to .* restore that"):
        Lake(Workspace(tmp_path))


def test_a_bucket_that_is_down_is_one_line(there, tmp_path, monkeypatch):
    filesystems._opened.clear()
    monkeypatch.setattr(failures, "PAUSE", 0.01)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    try:
        with pytest.raises(TransientError, match=f"^{DATA} must be reachable[^\n]*$"):
            Lake(Workspace(tmp_path), read_only=True)
    finally:
        filesystems._opened.clear()


def test_its_files_are_merged_and_removed_there_and_what_is_lost_is_found(
    server, catalogue, s3_server, tmp_path, monkeypatch  # noqa: F811
):  # fmt: skip
    monkeypatch.setenv(CATALOGUE_VARIABLE, database(server))
    monkeypatch.setenv(DATA_VARIABLE, "s3://pictures/another")
    with Lake(Workspace(tmp_path)) as lake:
        for number in range(2):
            lake.publish(*large(number))
        before = set(parquet(s3_server, "another/main/assignments"))
        s3_server.put("another/main/assignments/ducklake-of-a-killed-commit.parquet", b"PAR1")
        merge_files(lake)
        expire_snapshots(lake, 0, False)
        assert [path for path in unused_files(lake, 0, True) if lake.size_of(path)]
        unused_files(lake, 0, False)
        assert orphaned_files(lake, 0, False)[0].endswith("killed-commit.parquet")
        assert rows(lake) == 200
    (merged,) = parquet(s3_server, "another/main/assignments")
    assert merged not in before
    short = next(name for name in parquet(s3_server, "another") if "/assignments/" not in name)
    s3_server.delete(merged)
    s3_server.put(short, s3_server.get(short)[:-10])
    with Lake(Workspace(tmp_path), read_only=True) as lake:
        with pytest.raises(RunError, match="one is missing.*sortal verify") as raised:
            lake.query("FROM assignments")
        assert "\n" not in str(raised.value) and ".py(" not in str(raised.value)
        found = [each.what for file in lake_files(lake) for each in check_lake_file(lake, *file)]
    assert sorted(what.partition(" has ")[0] for what in found) == [
        "the data file", "the data file is missing",
    ]  # fmt: skip


def test_a_sqlite_catalogue_keeps_its_files_beside_it(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, DATA)
    with pytest.raises(UsageError, match="needs a catalogue in PostgreSQL; set SORTAL_CATALOGUE"):
        Lake(Workspace(tmp_path))


def test_a_bucket_that_is_not_there_is_one_line(catalogue, server, tmp_path, monkeypatch):
    monkeypatch.setenv(CATALOGUE_VARIABLE, database(server))
    monkeypatch.setenv(DATA_VARIABLE, "s3://no-such-bucket/lake")
    with pytest.raises(RunError, match="must be in a bucket that exists"):
        Lake(Workspace(tmp_path))
