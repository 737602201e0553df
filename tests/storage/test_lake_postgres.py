"""The lake on a PostgreSQL catalogue: a real local server, where PostgreSQL is installed."""

import multiprocessing
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from lakes import run_row, tables

from configs.errors import RunError
from storage.catalogue import CATALOGUE_VARIABLE
from storage.lake import VIEWS, Lake
from storage.workspace import Workspace

PASSWORD = "it's a s3cret/@"
USER = "postgres"


def find(program: str) -> str:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(program, path=os.pathsep.join([*map(str, places), os.environ["PATH"]]))
    if found is None:
        pytest.skip(f"PostgreSQL's {program} is not installed")
    return found


def unprivileged(*command: str) -> None:
    """Run as another user when root, as whom the server refuses to run."""
    prefix = ["runuser", "-u", "nobody", "--"] if os.geteuid() == 0 else []
    if prefix and not shutil.which("runuser"):
        pytest.skip("PostgreSQL does not run as root and runuser is not installed")
    subprocess.run([*prefix, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A URL of a server that listens only on a socket in a temporary folder."""
    initdb, control = find("initdb"), find("pg_ctl")
    with tempfile.TemporaryDirectory(prefix="pg") as name:  # short: a socket's path is limited
        folder = Path(name)
        folder.chmod(0o777)
        secret = folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        data = folder / "data"
        unprivileged(
            *(initdb, "-D", str(data), "-U", USER, "-A", "scram-sha-256"),
            *(f"--pwfile={secret}", "-E", "UTF8", "--locale=C", "--no-sync"),
        )
        options = f"-c listen_addresses='' -k {folder} -c fsync=off"
        at = ("-D", str(data), "-w", "-s")
        unprivileged(control, *at, "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql://{USER}:it%27s%20a%20s3cret%2F%40@/postgres?host={folder}"
        finally:
            unprivileged(control, *at, "-m", "immediate", "stop")


@pytest.fixture
def catalogue(server: str) -> Iterator[str]:
    yield server
    import duckdb

    from storage.catalogue import literal, load_extension, split_password

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
        for view in VIEWS:
            assert count(lake, view) > 0, view


def test_a_second_workspace_finds_the_data_where_the_first_put_it(workspace, catalogue, tmp_path):
    with Lake(workspace, catalogue=catalogue) as lake:
        lake.publish(run_row(), tables(run_row()))
    with Lake(Workspace(tmp_path / "other").create(), catalogue=catalogue) as lake:
        assert count(lake, "latest_assignments") == 4


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


def publish_some(root: Path, catalogue: str, first: int) -> None:
    with Lake(Workspace(root), catalogue=catalogue) as lake:
        for number in range(first, first + 5):
            row = run_row(number, scan="shared")
            lake.publish(row, tables(row))


def test_two_processes_publish_each_run_and_scan_once(workspace, catalogue):
    spawn = multiprocessing.get_context("spawn")
    arguments = [(workspace.root, catalogue, first) for first in (0, 3)]
    writers = [spawn.Process(target=publish_some, args=each) for each in arguments]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    with Lake(workspace, catalogue=catalogue) as lake:
        found = [count(lake, name) for name in ("runs", "images", "collections", "assignments")]
    assert found == [8, 4, 1, 32]


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
