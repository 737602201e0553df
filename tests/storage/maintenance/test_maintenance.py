"""Maintenance: what nothing needs goes, what anything needs stays, and no answer changes."""

import os
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from lakes import assignments, counts, images, metrics, run_row, tables
from sortal.configs.commands.maintenance import MaintenanceConfig
from sortal.configs.errors import UsageError
from sortal.flows.operations.maintenance import Item, maintain
from sortal.storage.artifacts import Written, find, publish
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.lease import hold
from sortal.storage.lake.schema import RUN_TABLES, SCAN_TABLES, VIEWS
from sortal.storage.maintenance import lake_files, orphans
from sortal.storage.maintenance.prune import PruneRules, prune
from sortal.storage.workspace import Workspace

HOUR = 3600.0


def age(path: Path, hours: float = 24.0) -> None:
    """Make a file, or everything in a folder, `hours` old."""
    then = time.time() - hours * HOUR
    for item in [path, *path.rglob("*")]:
        os.utime(item, (then, then))


def make(workspace: Workspace, kind: str, name: str, **facts) -> Path:
    def body(folder: Path) -> Written:
        (folder / "data").write_text(name)
        return Written(facts=facts)

    return publish(workspace, kind, name, body).folder(workspace)


def big_run(number: int) -> tuple:
    """A run large enough that DuckLake writes files for it."""
    row = run_row(number, random_state=0, scan=f"scan-{number}")
    paths = [str(path) for path in range(200)]
    large = {
        "assignments": assignments(row, paths, [0] * 200),
        "metrics": metrics(row, acc=0.5, **{f"m{i}": 1.0 for i in range(20)}),
        "artifacts": pa.table(
            {
                "run_id": [row["run_id"]],
                "role": ["fused"],
                "kind": ["fused"],
                "fingerprint": [f"used-{number}"],
                "identity": ["i"],
            }
        ),
    }
    return row, tables(row) | large


@pytest.fixture
def workspace(quoted: Workspace) -> Workspace:
    """Four runs of one series."""
    with Lake(quoted) as lake:
        for number in range(4):
            lake.publish(*big_run(number))
    return quoted


def answers(workspace: Workspace) -> list:
    def rows(lake: Lake, view: str) -> list[str]:
        return sorted(map(str, lake.query(f"FROM {view}").to_pylist()))

    with Lake(workspace, read_only=True) as lake:
        return [rows(lake, view) for view in VIEWS]


def total(items: list[Item], what: str) -> int:
    (item,) = [item for item in items if item.what.startswith(what)]
    return item.count


def files(workspace: Workspace) -> set[Path]:
    return set((workspace.lake / "data").rglob("*.parquet"))


def test_artifacts_go_only_when_no_run_refers_to_them_and_they_are_old(workspace):
    used = make(workspace, "fused", "used-1")
    of_run = make(workspace, "report", "r1", run_id="run-0002")
    of_gone = make(workspace, "report", "r2", run_id="run-9999")
    young = make(workspace, "fused", "young")
    old = make(workspace, "fused", "old")
    again = make(workspace, "fused", "again")
    for folder in (used, of_run, of_gone, old, again):
        age(folder)
    assert find(workspace, "fused", "again")  # a run that finds it makes use of it
    with Lake(workspace) as lake:
        assert set(orphans.unused_artifacts(workspace, lake, HOUR)) == {old, of_gone}
        prune(lake, PruneRules(keep_last=1))
        assert set(orphans.unused_artifacts(workspace, lake, HOUR)) == {old, of_gone, used, of_run}
    assert young.exists()


def test_a_lake_without_runs_condemns_nothing(quoted):
    age(make(quoted, "fused", "old"))
    with Lake(quoted) as lake:
        assert orphans.unused_artifacts(quoted, lake, HOUR) == []


def test_while_a_run_goes_on_shards_and_artifacts_are_left_alone(workspace):
    old = make(workspace, "fused", "old")
    age(old)
    config = MaintenanceConfig(workspace=workspace.root, grace_days=0.5)
    with hold(workspace, "pets"):
        assert total(maintain(config), "runs going on") == 1
        assert old.exists()
    assert total(maintain(config), "artifacts") == 1
    assert not old.exists()


def test_beside_a_collections_first_run_there_is_nothing_to_do_yet_and_no_error(quoted):
    with hold(quoted, "pets"):
        assert total(maintain(MaintenanceConfig(workspace=quoted.root)), "runs going on") == 1


def test_a_folder_in_which_no_run_ever_began_is_refused(quoted):
    with pytest.raises(UsageError, match="no runs in the workspace"):
        maintain(MaintenanceConfig(workspace=quoted.root))
    assert not list(quoted.root.iterdir())


def test_a_dry_run_changes_nothing_and_says_what_a_real_one_does(workspace):
    age(make(workspace, "fused", "old"))
    stray = workspace.lake / "data" / "main" / "metrics" / "stray.parquet"
    stray.write_bytes(b"of a commit that was killed")
    age(stray)
    everything = {p: p.stat().st_mtime_ns for p in workspace.root.rglob("*.parquet")}
    settings = {"workspace": workspace.root, "grace_days": 0.5, "keep_snapshots_days": 0}
    said = maintain(MaintenanceConfig(**settings, dry_run=True))
    assert {p: p.stat().st_mtime_ns for p in workspace.root.rglob("*.parquet")} == everything
    done = maintain(MaintenanceConfig(**settings))
    for what in ("artifacts", "unknown lake files", "lake snapshots"):
        assert total(said, what) == total(done, what) > 0, what
    assert not stray.exists()
    assert next(i for i in said if i.what.startswith("unknown")).bytes == 27


def test_merged_files_answer_as_before_and_the_old_ones_go_after_the_grace(workspace):
    before, had = answers(workspace), files(workspace)
    with Lake(workspace) as lake:
        lake_files.expire_snapshots(lake, 0, False)
        assert lake_files.merge_files(lake) > 0
        lake_files.expire_snapshots(lake, 0, False)
        assert files(workspace) >= had
        assert lake_files.unused_files(lake, 1, False) == []
        assert lake_files.unused_files(lake, 0, False)
    assert answers(workspace) == before
    assert had - files(workspace)


def stored(workspace: Workspace, table: str, column: str) -> list[str]:
    """Values of a column in all files of a table, in their order there."""
    paths = [str(path) for path in sorted(files(workspace)) if path.parent.name == table]
    query = f"SELECT {column} FROM read_parquet(?)"
    return [value for (value,) in duckdb.execute(query, [paths]).fetchall()]


def test_merged_runs_and_scans_lie_in_order_whatever_order_they_came_in(quoted):
    order = [2, 0, 3, 1]
    with Lake(quoted) as lake:
        for number in order:
            row, rows = big_run(number)
            inputs = images(row, [str(path) for path in range(200)], [None] * 200)
            lake.publish(row, rows | {"images": inputs})
    before = answers(quoted)
    maintain(MaintenanceConfig(workspace=quoted.root, grace_days=0, keep_snapshots_days=0))
    maintain(MaintenanceConfig(workspace=quoted.root, grace_days=0, keep_snapshots_days=0))
    for table, column, name in (
        ("assignments", "run_id", "run-{:04}"),
        ("images", "scan", "scan-{}"),
    ):
        expected = [name.format(number) for number in sorted(order) for _ in range(200)]
        assert stored(quoted, table, column) == expected
    assert answers(quoted) == before


@pytest.mark.parametrize("merged", [False, True])
def test_pruned_runs_leave_the_disk(workspace, merged):
    if merged:
        with Lake(workspace) as lake:
            lake_files.merge_files(lake)
    with Lake(workspace) as lake:
        prune(lake, PruneRules(keep_last=1))
    settings = {"workspace": workspace.root, "grace_days": 0, "keep_snapshots_days": 0}
    for _ in range(2):
        maintain(MaintenanceConfig(**settings))
    assert stored(workspace, "assignments", "run_id") == ["run-0003"] * 200
    assert counts(workspace)["assignments"] == 200


def test_a_reader_keeps_its_answers_through_maintenance(workspace):
    with Lake(workspace, read_only=True) as reader:
        reader.execute("BEGIN")
        before = held(reader)
        assert before["assignments"] == 800 and before["runs"] == 4
        maintain(MaintenanceConfig(workspace=workspace.root))
        assert held(reader) == before
        reader.execute("COMMIT")
        assert held(reader) == before


def test_a_transaction_that_writes_sees_its_runs_and_scans_through_maintenance(workspace):
    """Merged files and flushed rows have other places in the catalogue than when it began."""
    with Lake(workspace) as writer, Lake(workspace) as other:

        def work() -> tuple[dict[str, int], dict[str, int], bool]:
            before = held(writer)
            lake_files.merge_files(other)
            return before, held(writer), writer.has_run("run-0001")

        before, after, there = writer.transact(work)
        assert before == after and there


def held(lake: Lake) -> dict[str, int]:
    """Rows of every table, as `lake` sees them."""
    names = (*RUN_TABLES, *SCAN_TABLES, "runs")
    found = {name: lake.execute(f"SELECT count(*) FROM {name}").fetchone() for name in names}
    return {name: count[0] for name, count in found.items() if count}
