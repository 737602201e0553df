"""`sortal verify`: looks at everything a workspace holds, and repairs what is damaged."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sortal.configs.errors import RunError
from sortal.storage.lake.catalogue import Catalogue
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.lease import active
from sortal.storage.maintenance.compaction import stores
from sortal.storage.maintenance.verify import (
    Finding,
    Lacking,
    artifact_folders,
    check_artifact,
    check_lake_file,
    check_store,
    check_temporary_files,
    lake_files,
)
from sortal.storage.maintenance.verify_objects import check_published, published
from sortal.storage.mirror import Mirror
from sortal.storage.workspace import Workspace
from sortal.tasks.progress import progress
from sortal.tasks.publishing.check import check_run, lost_runs
from sortal.tasks.silence import doing


class Problem(NamedTuple):
    """A finding, and what was done about it: removed, repaired, damaged or cannot be repaired."""

    finding: Finding
    done: str


@dataclass
class Verification:
    """What was looked at and found; `report` is called with each problem as it is found.

    Counts: things checked, problems repaired, problems that stay. `needs_run` says that something
    was removed which the next run makes again, `rows_skipped` that damaged files of the lake kept
    its rows from being compared, `repairable` that repairing would mend something.
    """

    repair: bool
    report: Callable[[Problem], None] = field(repr=False)
    checked: int = 0
    repaired: int = 0
    remaining: int = 0
    needs_run: bool = False
    rows_skipped: bool = False
    repairable: bool = False

    def note(self, findings: Iterable[Finding], rebuilt_by_a_run: bool = False) -> int:
        """Note what one thing's check found, and repair it where that is wanted; how many."""
        count = 0
        for finding in findings:
            self.report(self._handled(finding, rebuilt_by_a_run))
            count += 1
        self.checked += 1
        return count

    def _handled(self, finding: Finding, rebuilt_by_a_run: bool) -> Problem:
        if not self.repair or not finding.repair:
            self.remaining += 1
            self.repairable |= finding.repair is not None
            return Problem(finding, "cannot be repaired" if self.repair else "damaged")
        finding.repair()
        self.repaired += 1
        self.needs_run |= rebuilt_by_a_run
        return Problem(finding, "removed" if rebuilt_by_a_run else "repaired")


def verify(root: Path, repair: bool, report: Callable[[Problem], None]) -> Verification:
    """Check everything in the workspace at `root`; with `repair`, repair what is possible.

    What is damaged in `vectors/` and `artifacts/` is removed, so that the next run makes just that
    again; rows of the lake are written again from artifacts. Raises RunError during a run.
    """
    if not Workspace(root).is_there():
        raise Workspace(root).no_runs()
    workspace = Workspace(root.resolve())
    if repair:
        _refuse_during_runs(workspace)
    result = Verification(repair, report)
    doing("verifying the lake")
    if Catalogue.configured(workspace).exists():
        _check_lake(workspace, result)
    _check_files(workspace, result)
    return result


def _refuse_during_runs(workspace: Workspace) -> None:
    for lease in active(workspace):
        raise RunError(
            f"no run may go on while a workspace is repaired, and {lease.collection} is being "
            f"sorted by {lease.holder}; wait for it, or check without --repair"
        )


def _check_files(workspace: Workspace, result: Verification) -> None:
    """Artifacts before shards: an artifact that refers to a damaged shard goes with it."""
    shards, folders = stores(workspace), artifact_folders(workspace)
    with progress("verifying", len(folders) + len(shards), unit="folders") as advance:
        for folder in folders:
            result.note(check_artifact(workspace, folder), rebuilt_by_a_run=True)
            advance(1)
        for store in shards:
            result.note(check_store(workspace, store), rebuilt_by_a_run=True)
            advance(1)
    result.note(check_temporary_files(workspace))
    if mirror := Mirror.of(workspace):
        _check_objects(workspace, mirror, result)


def _check_objects(workspace: Workspace, mirror: Mirror, result: Verification) -> None:
    """Read all of the bucket, after the folder, from which damaged objects are sent again."""
    things = published(mirror)
    with progress("verifying the bucket", len(things), unit="artifacts and shards") as advance:
        for thing in things:
            result.note(check_published(workspace, mirror, thing), rebuilt_by_a_run=True)
            advance(1)


def _check_lake(workspace: Workspace, result: Verification) -> None:
    """Data files first: a run's rows can be compared and written only where all can be read."""
    damaged = _damaged_tables(workspace, result)
    if damaged and not result.repair:
        result.rows_skipped = True
        return
    with Lake(workspace, read_only=not result.repair) as lake:
        if "runs" in damaged:
            result.note(lost_runs(lake, workspace))
        runs = lake.query("FROM runs ORDER BY run_id").to_pylist()
        lacking = Lacking(workspace, Catalogue.configured(workspace).is_postgres)
        with progress("verifying runs", len(runs), unit="runs") as advance:
            for run in runs:
                result.note(check_run(lake, workspace, run))
                result.note(lacking.check(lake, run["run_id"]))
                advance(1)


def _damaged_tables(workspace: Workspace, result: Verification) -> set[str]:
    """The tables that have a damaged data file."""
    damaged = set()
    with Lake(workspace, read_only=not result.repair) as lake:
        files = lake_files(lake)
        with progress("verifying the lake", len(files), unit="files") as advance:
            for table, path, size in files:
                if result.note(check_lake_file(lake, table, path, size)):
                    damaged.add(table)
                advance(1)
    return damaged
