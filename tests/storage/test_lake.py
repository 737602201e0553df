"""The lake: whole runs or none, once each, readable by any DuckDB."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lakes import assignments, clusters, images, run_row, tables

from configs.errors import RunError, UsageError
from storage.catalogue import load_extension, split_password
from storage.lake import RUN_TABLES, SCAN_TABLES, VIEWS, Lake, Select
from storage.workspace import Workspace

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "it's a workspace").create()


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    with Lake(workspace) as lake:
        for number, acc in enumerate((0.5, 0.75)):
            lake.publish(run_row(number), tables(run_row(number), acc))
        row = run_row(9, method="supervised", labels_used=True)
        lake.publish(row, tables(row, 1.0))
    return workspace


def count(lake: Lake, table: str) -> int:
    return lake.query(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py()


def counts(workspace: Workspace) -> dict[str, int]:
    with Lake(workspace, read_only=True) as lake:
        return {name: count(lake, name) for name in ("runs", *SCAN_TABLES, *RUN_TABLES)}


def plain_duckdb(workspace: Workspace) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    load_extension(connection, "sqlite_scanner")
    load_extension(connection, "ducklake")
    place = str(workspace.lake / "catalog.sqlite").replace("'", "''")
    connection.execute(f"ATTACH 'ducklake:sqlite:{place}' AS lake")
    return connection


def test_a_published_run_is_read_back_whole(workspace):
    row = run_row()
    with Lake(workspace) as lake:
        assert lake.publish(row, tables(row)) == row["run_id"]
    with Lake(workspace, read_only=True) as lake:
        assert lake.query("FROM runs").to_pylist() == [row]
        assert lake.find_run(row["fingerprint"]) == row["run_id"]
        for name, table in tables(row).items():
            read = lake.query(f"SELECT {', '.join(table.column_names)} FROM {name}")
            assert sorted(map(str, read.to_pylist())) == sorted(map(str, table.to_pylist()))


def test_publishing_again_changes_nothing_and_returns_the_first_id(workspace):
    row = run_row()
    with Lake(workspace) as lake:
        lake.publish(row, tables(row))
        before = counts(workspace)
        again = run_row(run_id="another id")
        assert lake.publish(again, tables(again)) == row["run_id"]
        assert lake.publish(row, tables(row)) == row["run_id"]
    assert counts(workspace) == before


def test_a_scan_is_kept_once_for_a_collection(workspace):
    with Lake(workspace) as lake:
        for number in range(3):
            lake.publish(run_row(number), tables(run_row(number)))
        other = run_row(3, collection="zoo")
        lake.publish(other, tables(other))
    found = counts(workspace)
    assert (found["runs"], found["images"], found["failures"]) == (4, 8, 2)


def test_an_error_in_the_middle_of_publishing_leaves_nothing(filled):
    before = counts(filled)
    row = run_row(5, scan="scan-2")
    broken = tables(row) | {"metrics": Select("SELECT error('disk on fire') AS value")}
    with Lake(filled) as lake:
        with pytest.raises(RunError, match="disk on fire"):
            lake.publish(row, broken)
        assert counts(filled) == before
        lake.publish(row, tables(row))
    assert counts(filled)["runs"] == before["runs"] + 1


def test_an_interrupt_in_the_middle_of_publishing_leaves_nothing(filled, monkeypatch):
    before = counts(filled)
    append = Lake._append

    def interrupted(self, name, rows):
        append(self, name, rows)
        if name == "assignments":
            raise KeyboardInterrupt

    with Lake(filled) as lake, monkeypatch.context() as patch:
        patch.setattr(Lake, "_append", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lake.publish(run_row(5), tables(run_row(5)))
    assert counts(filled) == before


def test_unknown_tables_are_refused(workspace):
    with Lake(workspace) as lake, pytest.raises(ValueError, match="runs"):
        lake.publish(run_row(), {"runs": pa.table({"a": [1]})})


def test_a_reader_in_a_transaction_keeps_its_snapshot_and_blocks_nobody(filled):
    with Lake(filled, read_only=True) as reader, Lake(filled) as writer:
        reader.execute("BEGIN")
        assert count(reader, "runs") == 3
        writer.publish(run_row(6), tables(run_row(6)))
        assert (count(reader, "runs"), count(reader, "assignments")) == (3, 12)
        reader.execute("COMMIT")
        assert (count(reader, "runs"), count(reader, "assignments")) == (4, 16)


def publish_some(root: Path, first: int) -> None:
    with Lake(Workspace(root)) as lake:
        for number in range(first, first + 5):
            row = run_row(number, scan="shared")
            lake.publish(row, tables(row))


def test_processes_that_publish_at_once_all_land_whole_and_once(workspace):
    # 0-4 and 3-7 overlap: runs 3 and 4 come from both; the lake itself is made by whoever is first.
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=publish_some, args=(workspace.root, n)) for n in (0, 3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if (workspace.lake / "catalog.sqlite").exists():
            check_whole(workspace)
        for writer in writers:
            writer.join(0.05)
    assert [writer.exitcode for writer in writers] == [0, 0]
    found = counts(workspace)
    assert found["runs"] == 8
    assert (found["images"], found["failures"]) == (4, 1)
    assert (found["assignments"], found["clusters"], found["metrics"]) == (32, 16, 24)
    with Lake(workspace) as lake:
        assert count(lake, "collections") == 1


def check_whole(workspace: Workspace) -> None:
    whole = """
        SELECT count(*), (SELECT count(*) FROM assignments), (SELECT count(*) FROM metrics)
        FROM runs"""
    try:
        with Lake(workspace, read_only=True) as lake:
            runs, rows, metrics = lake.execute(whole).fetchone()
    except UsageError:  # the lake is being made
        return
    assert (rows, metrics) == (4 * runs, 3 * runs)


def test_a_newer_lake_is_refused_in_one_line(filled):
    with Lake(filled) as lake:
        lake.execute("UPDATE meta SET value = '99' WHERE name = 'schema_version'")
    for read_only in (True, False):
        with pytest.raises(RunError, match="version 99.*upgrade sortal"):
            Lake(filled, read_only=read_only)


def test_views_are_refreshed_when_their_sql_has_changed(filled):
    with Lake(filled) as lake:
        lake.execute("CREATE OR REPLACE VIEW leaderboard AS SELECT 1 AS old")
        lake.execute("UPDATE meta SET value = 'old' WHERE name = 'views'")
    with Lake(filled) as lake:
        assert "acc" in lake.query("FROM leaderboard").column_names
    with Lake(filled) as lake:
        [commits] = lake.execute("SELECT value FROM meta WHERE name = 'commits'").fetchall()
    assert commits == ("3",)


def test_an_empty_workspace_has_no_lake_to_read(workspace):
    with pytest.raises(UsageError, match="no runs"):
        Lake(workspace, read_only=True)


def test_a_moved_workspace_reads_and_writes_on(workspace, tmp_path):
    paths = [f"{number}.png" for number in range(500)]  # too many to be kept in the catalogue
    row, moved = run_row(), Workspace(tmp_path / "moved")
    big = assignments(row, paths, [0] * len(paths))
    with Lake(workspace) as lake:
        lake.publish(row, tables(row) | {"assignments": big})
    shutil.move(workspace.root, moved.root)
    assert counts(moved)["assignments"] == len(paths)
    with Lake(moved) as lake:
        lake.publish(run_row(7), tables(run_row(7)))
    assert counts(moved)["assignments"] == len(paths) + 4
    assert not workspace.root.exists()
    with plain_duckdb(moved) as other:
        assert other.execute("SELECT count(*) FROM lake.assignments").fetchone() == (504,)


def test_a_read_only_workspace_is_still_read(filled):
    code = (
        "import sys; from pathlib import Path; from flows.queries import run_sql\n"
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


def test_every_view_answers_in_any_duckdb(filled):
    with plain_duckdb(filled) as other:
        for view in VIEWS:
            assert other.execute(f"SELECT count(*) FROM lake.{view}").fetchone()[0] > 0, view


def test_latest_views_show_the_newest_run_of_each_collection(filled):
    with Lake(filled, read_only=True) as lake:
        assert lake.query("SELECT run_id FROM latest_runs").to_pylist() == [{"run_id": "run-0009"}]
        rows = lake.query("SELECT path, name FROM latest_assignments ORDER BY path").to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("a.png", "cat"),
        ("b.png", "cat"),
        ("c.png", "dog"),
        ("d.png", "dog"),
    ]


def test_two_paths_of_one_image_are_both_in_latest_assignments(workspace):
    row = run_row()
    double = images(row, ["a.png", "b.png"], [None, None]).set_column(3, "key", [["k", "k"]])
    one = assignments(row, ["a.png"], [0]).set_column(1, "key", [["k"]])
    with Lake(workspace) as lake:
        lake.publish(row, {"images": double, "assignments": one})
        assert count(lake, "latest_assignments") == 2


def test_cluster_cards_hold_names_shares_nouns_and_a_typical_image(filled):
    with Lake(filled, read_only=True) as lake:
        query = "FROM cluster_cards WHERE run_id = 'run-0001' ORDER BY cluster"
        cat, dog = lake.query(query).to_pylist()
    assert (cat["name"], cat["share"], cat["nouns"]) == ("cat", 0.5, ["cat", "kitten"])
    assert (cat["typical"], dog["nouns"]) == ("a.png", None)


def test_leaderboard_averages_seeds_and_leaves_out_runs_that_saw_labels(filled):
    with Lake(filled, read_only=True) as lake:
        [line] = lake.query("FROM leaderboard").to_pylist()
    assert (line["method"], line["seeds"], line["acc"]) == ("cae", 2, 0.625)
    assert line["acc_sd"] == pytest.approx(0.1767767)


def test_leaderboard_counts_a_repeated_seed_once_and_takes_the_newest(workspace):
    with Lake(workspace) as lake:
        for number, acc in ((0, 0.1), (1, 0.9)):
            row = run_row(number, random_state=0)
            lake.publish(row, tables(row, acc))
        [line] = lake.query("FROM leaderboard").to_pylist()
    assert (line["seeds"], line["acc"], line["acc_sd"]) == (1, 0.9, None)


def test_ablation_has_a_line_for_each_setting_and_its_distance_from_the_best(filled):
    with Lake(filled) as lake:
        row = run_row(10, random_state=0, config='{"transport": {"epsilon": 0.5}}')
        lake.publish(row, tables(row, 0.125))
        lines = lake.query("SELECT epsilon, seeds, acc, acc_behind_best FROM ablation").to_pylist()
    assert [tuple(line.values()) for line in lines] == [(0.02, 2, 0.625, 0), (0.5, 1, 0.125, -0.5)]


def test_confusion_counts_labelled_images(filled):
    with Lake(filled, read_only=True) as lake:
        query = "SELECT cluster, label, n_images FROM confusion WHERE run_id = 'run-0000'"
        rows = sorted(tuple(row.values()) for row in lake.query(query).to_pylist())
    assert rows == [(0, "cat", 2), (1, "dog", 1)]


def test_failures_are_counted_by_code(filled):
    with Lake(filled, read_only=True) as lake:
        [line] = lake.query("FROM failures_by_code").to_pylist()
    assert (line["error_code"], line["n_images"], line["example"]) == ("truncated", 1, "x.png")


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


def test_a_catalogue_that_is_not_postgresql_is_refused_without_its_password(workspace):
    with pytest.raises(UsageError, match="postgresql://") as caught:
        Lake(workspace, catalogue="mysql://me:secret@host/db")
    assert "secret" not in str(caught.value)


def test_users_sql_can_load_no_extension(workspace, tmp_path):
    with Lake(workspace) as lake:
        lake.confine()
        (tmp_path / "evil.duckdb_extension").write_bytes(b"\0" * 1024)
        with pytest.raises(duckdb.Error, match="disabled|Permission"):
            lake.execute(f"LOAD '{tmp_path}/evil.duckdb_extension'")
