"""The lake from outside: moved, read-only, any string, and what users' SQL and URLs may not do."""

import os
import shutil
import subprocess
import sys

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakes import assignments, clusters, count, counts, images, plain_duckdb, run_row, tables
from sortal.configs.errors import UsageError
from sortal.storage.lake.catalogue import split_password
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


def test_an_empty_workspace_has_no_lake_to_read(quoted):
    with pytest.raises(UsageError, match="no runs"):
        Lake(quoted, read_only=True)


def test_a_moved_workspace_reads_and_writes_on(quoted, tmp_path):
    paths = [f"{number}.png" for number in range(500)]  # too many to be kept in the catalogue
    row, moved = run_row(), Workspace(tmp_path / "moved")
    big = assignments(row, paths, [0] * len(paths))
    with Lake(quoted) as lake:
        lake.publish(row, tables(row) | {"assignments": big})
    shutil.move(quoted.root, moved.root)
    assert counts(moved)["assignments"] == len(paths)
    with Lake(moved) as lake:
        lake.publish(run_row(7), tables(run_row(7)))
    assert counts(moved)["assignments"] == len(paths) + 4
    assert not quoted.root.exists()
    with plain_duckdb(moved) as other:
        assert other.execute("SELECT count(*) FROM lake.assignments").fetchone() == (504,)


def test_a_read_only_workspace_is_still_read(filled):
    code = (
        "import sys; from pathlib import Path; from sortal.flows.terminal.query import run_sql\n"
        "run_sql(Path(sys.argv[1]), 'SELECT count(*) AS n FROM assignments', 'csv')"
    )
    drop = "-dac_override,-dac_read_search"
    bare = ["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}"]  # root writes everywhere
    if os.geteuid() == 0 and not shutil.which(bare[0]):
        pytest.skip("root can write to a read-only folder and setpriv is not installed")
    prefix = bare if os.geteuid() == 0 else []
    filled.lake.chmod(0o555)
    try:
        done = subprocess.run(
            [*prefix, sys.executable, "-c", code, str(filled.root)],
            check=False,
            capture_output=True,
            text=True,
        )
    finally:
        filled.lake.chmod(0o755)
    assert (done.stdout, done.stderr) == ("n\n12\n", "")


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    with Lake(Workspace(tmp_path_factory.mktemp("fuzzed")).create()) as lake:
        yield lake


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(paths=st.lists(TEXT, min_size=1, max_size=12, unique=True), label=TEXT, name=TEXT)
def test_any_string_round_trips_and_none_is_run_as_sql(fuzzed, paths, label, name):
    number = count(fuzzed, "runs")
    row = run_row(number, collection=name, scan=f"scan {number}", source=label)
    fuzzed.publish(
        row,
        {
            "images": images(row, paths, [label] * len(paths)),
            "assignments": assignments(row, paths, [0] * len(paths)),
            "clusters": clusters(row, [name]),
        },
    )
    found = fuzzed.query(
        "SELECT image.path, image.label, cluster.name FROM runs "
        "JOIN images AS image ON image.scan = runs.scan AND image.collection = runs.collection "
        "JOIN clusters AS cluster ON cluster.run_id = runs.run_id "
        "WHERE runs.run_id = $run AND runs.collection = $name AND runs.source = $label",
        {"run": row["run_id"], "name": name, "label": label},
    ).to_pylist()
    expected = sorted((path, label, name) for path in paths)
    assert sorted(tuple(line.values()) for line in found) == expected
    assert count(fuzzed, "runs") == number + 1


def test_a_password_never_reaches_the_catalogues_address():
    place, password = split_password("postgresql://me:p%40ss@db.example:5433/lake?sslmode=require")
    assert password == "p@ss"
    assert place == "host='db.example' port='5433' user='me' dbname='lake' sslmode='require'"


def test_a_catalogue_that_is_not_postgresql_is_refused_without_its_password(quoted):
    with pytest.raises(UsageError, match="postgresql://") as caught:
        Lake(quoted, catalogue="mysql://me:secret@host/db")
    assert "secret" not in str(caught.value)


def test_users_sql_can_load_no_extension(quoted, tmp_path):
    with Lake(quoted) as lake:
        lake.confine()
        (tmp_path / "evil.duckdb_extension").write_bytes(b"\0" * 1024)
        with pytest.raises(duckdb.Error, match="disabled|Permission"):
            lake.execute(f"LOAD '{tmp_path}/evil.duckdb_extension'")
