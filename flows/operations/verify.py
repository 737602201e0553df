"""`sortal verify`: looks at everything a workspace holds, says what is damaged, and mends it."""

import sys
from collections.abc import Iterable
from pathlib import Path

from sortal.configs.errors import RunError, UsageError
from sortal.storage.lake.catalogue import Catalogue
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.lease import active
from sortal.storage.maintenance.compaction import stores
from sortal.storage.maintenance.verify import (
    Finding,
    artifact_folders,
    check_artifact,
    check_lake_file,
    check_leftovers,
    check_store,
    lake_files,
)
from sortal.storage.workspace import Workspace
from sortal.tasks.progress import progress
from sortal.tasks.publishing.check import check_run, lost_runs

_NEXT = "run the same `sortal cluster` again: only what was removed is made again"


def verify(root: Path, repair: bool) -> bool:
    """Print one line a problem; with `repair`, mend what can be. Whether all is well in the end.

    What is damaged in `vectors/` and `artifacts/` is removed, so that the next run makes just that
    again; rows of the lake are written anew from artifacts. Raises RunError while a run goes on.
    """
    if not root.is_dir():
        raise UsageError(f"workspace must be an existing folder, got {root}")
    workspace = Workspace(root.resolve())
    if repair:
        _refuse_beside_runs(workspace)
    notes = Notes(repair)
    if Catalogue.configured(workspace).exists():
        _lake(workspace, notes)
    _files(workspace, notes)
    print(notes.summary())
    return notes.left == 0


class Notes:
    """What was found: prints it, mends it when told to, and counts."""

    def __init__(self, repair: bool) -> None:
        self.repair = repair
        self.checked = self.mended = self.left = 0
        self.again = False

    def take(self, findings: Iterable[Finding], rebuilt_by_a_run: bool = False) -> int:
        """Note findings; returns how many."""
        count = 0
        for finding in findings:
            count += 1
            mend = finding.mend if self.repair else None
            if mend:
                mend()
                self.mended += 1
                self.again |= rebuilt_by_a_run
            else:
                self.left += 1
            done = ("removed" if rebuilt_by_a_run else "mended") if mend else "damaged"
            if self.repair and not finding.mend:
                done = "cannot be mended"
            print(f"{done}: {finding.place}: {finding.what}")
        self.checked += 1
        return count

    def summary(self) -> str:
        """One line: what there was and what to do next."""
        if not self.mended and not self.left:
            return f"{self.checked:,} things checked, all sound"
        head = f"{self.checked:,} things checked, {self.mended:,} mended, {self.left:,} left"
        if self.left and not self.repair:
            return f"{head}; mend them with --repair"
        return f"{head}; {_NEXT}" if self.again else head


def _refuse_beside_runs(workspace: Workspace) -> None:
    for lease in active(workspace):
        raise RunError(
            f"a workspace must be at rest to be repaired, and {lease.collection} is being sorted "
            f"by {lease.holder}; wait for it, or check without --repair"
        )


def _files(workspace: Workspace, notes: Notes) -> None:
    """Artifacts before shards: an artifact on a damaged shard goes with it."""
    rooms, folders = stores(workspace), artifact_folders(workspace)
    with progress("verifying", len(folders) + len(rooms), unit="folders") as advance:
        for folder in folders:
            notes.take(check_artifact(workspace, folder), rebuilt_by_a_run=True)
            advance(1)
        for store in rooms:
            notes.take(check_store(workspace, store), rebuilt_by_a_run=True)
            advance(1)
    notes.take(check_leftovers(workspace))


def _lake(workspace: Workspace, notes: Notes) -> None:
    """Data files first: a run's rows can be compared and written only where all can be read."""
    with Lake(workspace, read_only=not notes.repair) as lake:
        files = lake_files(lake)
        bad = set()
        with progress("verifying the lake", len(files), unit="files") as advance:
            for table, path, size in files:
                if notes.take(check_lake_file(lake, table, path, size)):
                    bad.add(table)
                advance(1)
    if bad and not notes.repair:
        print("the lake's rows are not compared while files of it are damaged", file=sys.stderr)
        return
    with Lake(workspace, read_only=not notes.repair) as lake:
        if "runs" in bad:
            notes.take(lost_runs(lake, workspace))
        runs = lake.query("FROM runs ORDER BY run_id").to_pylist()
        with progress("verifying runs", len(runs), unit="runs") as advance:
            for run in runs:
                notes.take(check_run(lake, workspace, run))
                advance(1)
