"""What processes of their own do to a lake in tests: they import it from here by name."""

from pathlib import Path

from lakes import assignments, run_row, tables
from sortal.configs.errors import RunError
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.lease import acquire
from sortal.storage.maintenance.lake_files import expire_snapshots, merge_files, orphaned_files
from sortal.storage.workspace import Workspace


def publish_some(root: Path, first: int) -> None:
    with Lake(Workspace(root)) as lake:
        for number in range(first, first + 5):
            row = run_row(number, scan="shared")
            lake.publish(row, tables(row))


def race(root, barrier, answers):
    barrier.wait()
    try:
        answers.put(acquire(Workspace(root), "pets", 60))
    except RunError:
        answers.put(None)
    barrier.wait()  # none is gone before all have tried


def on_disk(number: int = 0, scan: str = "shared") -> tuple:
    """A run with enough rows that DuckLake writes files for them."""
    row = run_row(number, scan=scan)
    paths = [str(path) for path in range(100)]
    return row, tables(row) | {"assignments": assignments(row, paths, [0] * 100)}


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


def put(lake: Lake, number: int) -> None:
    row = run_row(number, scan=f"scan-{number}")
    paths = [str(path) for path in range(100)]
    lake.publish(row, tables(row) | {"assignments": assignments(row, paths, [0] * 100)})


def fill(root: Path, runs: int) -> None:
    with Lake(Workspace(root)) as lake:
        for number in range(runs):
            put(lake, number)
