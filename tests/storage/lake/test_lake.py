"""The lake: whole runs or none, and once each, whoever else reads or writes."""

import multiprocessing
from pathlib import Path

import pyarrow as pa
import pytest

from lakes import count, counts, run_row, tables
from sortal.configs.errors import RunError, UsageError
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import Select
from sortal.storage.workspace import Workspace


def test_a_published_run_is_read_back_whole(quoted):
    row = run_row()
    with Lake(quoted) as lake:
        assert lake.publish(row, tables(row)) == row["run_id"]
    with Lake(quoted, read_only=True) as lake:
        assert lake.query("FROM runs").to_pylist() == [row]
        assert lake.find_run(row["fingerprint"]) == row["run_id"]
        for name, table in tables(row).items():
            read = lake.query(f"SELECT {', '.join(table.column_names)} FROM {name}")
            assert sorted(map(str, read.to_pylist())) == sorted(map(str, table.to_pylist()))


def test_publishing_again_changes_nothing_and_returns_the_first_id(quoted):
    row = run_row()
    with Lake(quoted) as lake:
        lake.publish(row, tables(row))
        before = counts(quoted)
        again = run_row(run_id="another id")
        assert lake.publish(again, tables(again)) == row["run_id"]
        assert lake.publish(row, tables(row)) == row["run_id"]
    assert counts(quoted) == before


def test_a_scan_is_kept_once_for_a_collection(quoted):
    with Lake(quoted) as lake:
        for number in range(3):
            lake.publish(run_row(number), tables(run_row(number)))
        other = run_row(3, collection="zoo")
        lake.publish(other, tables(other))
    found = counts(quoted)
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
    append = Lake.append

    def interrupted(self, name, rows):
        append(self, name, rows)
        if name == "assignments":
            raise KeyboardInterrupt

    with Lake(filled) as lake, monkeypatch.context() as patch:
        patch.setattr(Lake, "append", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lake.publish(run_row(5), tables(run_row(5)))
    assert counts(filled) == before


def test_unknown_tables_are_refused(quoted):
    with Lake(quoted) as lake, pytest.raises(ValueError, match="runs"):
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


def test_processes_that_publish_at_once_all_land_whole_and_once(quoted):
    # 0-4 and 3-7 overlap: runs 3 and 4 come from both; the lake itself is made by whoever is first.
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=publish_some, args=(quoted.root, n)) for n in (0, 3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if (quoted.lake / "catalog.sqlite").exists():
            check_whole(quoted)
        for writer in writers:
            writer.join(0.05)
    assert [writer.exitcode for writer in writers] == [0, 0]
    found = counts(quoted)
    assert found["runs"] == 8
    assert (found["images"], found["failures"]) == (4, 1)
    assert (found["assignments"], found["clusters"], found["metrics"]) == (32, 16, 24)
    with Lake(quoted) as lake:
        assert count(lake, "collections") == 1


def check_whole(quoted: Workspace) -> None:
    whole = """
        SELECT count(*), (SELECT count(*) FROM assignments), (SELECT count(*) FROM metrics)
        FROM runs"""
    try:
        with Lake(quoted, read_only=True) as lake:
            runs, rows, metrics = lake.execute(whole).fetchone()
    except UsageError:  # the lake is being made
        return
    assert (rows, metrics) == (4 * runs, 3 * runs)


def test_an_older_lake_gains_the_tables_it_lacks_and_keeps_its_runs(filled):
    with Lake(filled) as lake:
        runs = count(lake, "runs")
        lake.execute("DROP TABLE artifacts")
        lake.execute("UPDATE meta SET value = '1' WHERE name = 'schema_version'")
    with Lake(filled) as lake:
        assert (count(lake, "artifacts"), count(lake, "runs")) == (0, runs)


def test_a_newer_lake_is_refused_in_one_line(filled):
    with Lake(filled) as lake:
        lake.execute("UPDATE meta SET value = '99' WHERE name = 'schema_version'")
    for read_only in (True, False):
        with pytest.raises(RunError, match="version 99.*upgrade sortal"):
            Lake(filled, read_only=read_only)
