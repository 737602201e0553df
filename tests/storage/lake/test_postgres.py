"""The lake on a PostgreSQL catalogue: a real local server, where PostgreSQL is installed."""

import multiprocessing
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakes import COMPARING, assignments, run_row, tables
from postgres import PASSWORD, find
from sortal.configs.errors import RunError, UsageError
from sortal.storage.lake.catalogue import CATALOGUE_VARIABLE, DATA_VARIABLE
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.schema import VIEWS
from sortal.storage.maintenance.backup import back_up
from sortal.storage.maintenance.lake_files import expire_snapshots, merge_files, orphaned_files
from sortal.storage.workspace import Workspace


@pytest.fixture
def catalogue(server: str) -> Iterator[str]:
    yield server
    import duckdb

    from sortal.storage.lake.catalogue import split_password
    from sortal.storage.lake.extensions import load_extension
    from sortal.storage.lake.sql import literal

    place, password = split_password(server)
    with duckdb.connect() as connection:
        load_extension(connection, "postgres_scanner")
        connection.execute(f"CREATE SECRET (TYPE postgres, PASSWORD {literal(password)})")
        connection.execute(f"ATTACH {literal(place)} AS pg (TYPE postgres)")
        wipe = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
        connection.execute("CALL postgres_execute('pg', $wipe)", {"wipe": wipe})


def count(lake: Lake, table: str) -> int:
    return lake.query(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py()


def test_runs_are_published_and_read_through_postgresql(workspace, catalogue, monkeypatch):
    monkeypatch.setenv(CATALOGUE_VARIABLE, catalogue)
    with Lake(workspace) as lake:
        for number in (0, 1, 1):
            lake.publish(run_row(number), tables(run_row(number)))
    assert not (workspace.lake / "catalog.sqlite").exists()
    with Lake(workspace, read_only=True) as lake:
        lake.confine()
        assert (count(lake, "runs"), count(lake, "images")) == (2, 4)
        empty = {view for view in VIEWS if not count(lake, view)}
        assert empty <= set(COMPARING)  # those that need two methods


def on_disk(number: int = 0, scan: str = "shared") -> tuple:
    """A run with enough rows that DuckLake writes files for them."""
    row = run_row(number, scan=scan)
    paths = [str(path) for path in range(100)]
    return row, tables(row) | {"assignments": assignments(row, paths, [0] * 100)}


def files(root: Path) -> list[Path]:
    """The files of runs' own assignments; a lake has others, such as the published figures."""
    return sorted(root.rglob("assignments/**/*.parquet"))


def test_workspaces_share_the_folder_of_the_first_also_for_users_sql(
    workspace, catalogue, tmp_path
):
    other = Workspace(tmp_path / "other").create()
    for number, place in enumerate((workspace, other)):
        with Lake(place, catalogue=catalogue) as lake:
            lake.publish(*on_disk(number))
    assert len(files(workspace.lake)) == 2 and not files(other.lake)
    for place in (workspace, other):
        with Lake(place, read_only=True, catalogue=catalogue) as lake:
            lake.confine()
            assert lake.query("SELECT count(key) AS n FROM assignments")["n"][0].as_py() == 200


def test_a_machine_that_sees_the_shared_folder_elsewhere_says_where(
    workspace, catalogue, tmp_path, monkeypatch
):
    share = tmp_path / "share"
    share.mkdir()
    monkeypatch.setenv(DATA_VARIABLE, str(share))
    with Lake(workspace, catalogue=catalogue) as lake:
        lake.publish(*on_disk(0))
    assert len(files(share)) == 1 and not files(workspace.root)
    moved = share.rename(tmp_path / "mounted elsewhere")
    for place in (str(share), None, str(workspace.root)):
        monkeypatch.setenv(DATA_VARIABLE, place) if place else monkeypatch.delenv(DATA_VARIABLE)
        with pytest.raises(UsageError, match="mount"):
            Lake(workspace, catalogue=catalogue)
    monkeypatch.setenv(DATA_VARIABLE, str(moved))
    with Lake(workspace, catalogue=catalogue) as lake:
        lake.publish(*on_disk(1))
        assert lake.query("SELECT count(key) AS n FROM assignments")["n"][0].as_py() == 200
    assert len(files(moved)) == 2


def test_a_postgresql_catalogue_leaves_the_files_of_the_sqlite_one_alone(workspace, catalogue):
    with Lake(workspace) as lake:
        lake.publish(*on_disk(0))
    before = files(workspace.lake)
    with Lake(workspace, catalogue=catalogue) as lake:
        lake.publish(*on_disk(1))
        orphaned_files(lake, 0, False)
    assert before and set(before) < set(files(workspace.lake))


def test_a_reader_keeps_its_snapshot_while_a_run_is_published(workspace, catalogue):
    with Lake(workspace, catalogue=catalogue) as writer:
        writer.publish(run_row(), tables(run_row()))
        with Lake(workspace, read_only=True, catalogue=catalogue) as reader:
            reader.execute("BEGIN")
            assert count(reader, "runs") == 1
            writer.publish(run_row(1), tables(run_row(1)))
            assert (count(reader, "runs"), count(reader, "assignments")) == (1, 4)
            reader.execute("COMMIT")
            assert (count(reader, "runs"), count(reader, "assignments")) == (2, 8)


def publish_and_read(root: Path, catalogue: str, first: int) -> None:
    """Publish five runs; every look at the lake in between sees whole runs only."""
    with Lake(Workspace(root), catalogue=catalogue) as lake:
        for number in range(first, first + 5):
            lake.publish(*on_disk(number))
            (seen,) = lake.query(
                "SELECT (SELECT count(*) FROM runs) AS runs, count(key) AS rows FROM assignments"
            ).to_pylist()
            assert seen["rows"] == 100 * seen["runs"] >= 100, seen


def tidy(root: Path, catalogue: str) -> None:
    with Lake(Workspace(root), catalogue=catalogue) as lake:
        for _ in range(3):
            expire_snapshots(lake, 1, False)
            merge_files(lake)
            orphaned_files(lake, 1, False)


def test_two_workspaces_write_read_and_are_tidied_at_once(workspace, catalogue, tmp_path):
    spawn = multiprocessing.get_context("spawn")
    other = Workspace(tmp_path / "other").create()
    both = [(workspace.root, catalogue, 0), (other.root, catalogue, 3)]
    writers = [spawn.Process(target=publish_and_read, args=each) for each in both]
    writers.append(spawn.Process(target=tidy, args=(other.root, catalogue)))
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    with Lake(workspace, catalogue=catalogue) as lake:
        found = [count(lake, name) for name in ("runs", "images", "collections", "assignments")]
    assert found == [8, 4, 1, 800]


def test_the_password_shows_nowhere(workspace, catalogue):
    secrets = (PASSWORD, "s3cret")
    with Lake(workspace, catalogue=catalogue) as lake:
        lake.publish(run_row(), tables(run_row()))
    with Lake(workspace, read_only=True, catalogue=catalogue) as lake:
        lake.confine()
        shown = [
            lake.query(f"FROM {f}()").to_pylist() for f in ("duckdb_databases", "duckdb_secrets")
        ]
        shown.append(lake.query("FROM duckdb_settings()").to_pylist())
    assert not any(secret in str(shown) for secret in secrets)
    wrong = catalogue.replace("s3cret", "wr0ng")
    with pytest.raises(RunError) as caught:
        Lake(workspace, catalogue=wrong)
    assert "wr0ng" not in str(caught.value) and "\n" not in str(caught.value)


def test_user_sql_cannot_write_through_the_catalogues_connection(workspace, catalogue):
    with Lake(workspace, catalogue=catalogue) as lake:
        lake.publish(run_row(), tables(run_row()))
    delete = "DELETE FROM ducklake_metadata RETURNING key"
    with Lake(workspace, read_only=True, catalogue=catalogue) as lake:
        lake.confine()
        with pytest.raises(Exception, match=r"(?i)read.only|not allowed|syntax error"):
            lake.query(f"FROM postgres_query('__ducklake_metadata_lake', '{delete}')")
    with Lake(workspace, read_only=True, catalogue=catalogue) as lake:
        assert count(lake, "runs") == 1


def test_a_dump_and_a_copy_of_the_folder_are_a_lake_again(
    workspace, catalogue, tmp_path, monkeypatch
):
    with Lake(workspace, catalogue=catalogue) as lake:
        lake.publish(*on_disk(0))
        before = lake.query("FROM latest_assignments ORDER BY path").to_pylist()
    dump, copy = tmp_path / "catalogue.dump", tmp_path / "copy"
    subprocess.run([find("pg_dump"), "-Fc", "-f", dump, catalogue], check=True)
    back_up(workspace, copy)
    with Lake(workspace, catalogue=catalogue) as lake:
        lake.publish(*on_disk(1))
    shutil.rmtree(workspace.lake)

    subprocess.run([find("pg_restore"), "--clean", "-d", catalogue, dump], check=True)
    (data,) = (copy / "lake").glob("data-*")
    monkeypatch.setenv(DATA_VARIABLE, str(data))
    with Lake(Workspace(copy), catalogue=catalogue) as lake:
        assert lake.query("FROM latest_assignments ORDER BY path").to_pylist() == before
        lake.publish(*on_disk(2))
        assert count(lake, "runs") == 2
