"""`sortal runs --delete`: deletes one run with what it alone needs, or says what that is."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from sortal.configs.errors import RunError
from sortal.flows.operations.maintenance import workspace_with_lake
from sortal.storage.atomic import remove
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.lease import fence, hold
from sortal.storage.lake.runs import run_of
from sortal.storage.lake.schema import RUN_TABLES, SCAN_TABLES
from sortal.storage.lake.sql import sql
from sortal.storage.maintenance.objects import delete_run
from sortal.storage.maintenance.prune import delete_rows
from sortal.storage.mirror import Mirror
from sortal.storage.workspace import Workspace
from sortal.tasks.lineage.relink import compare, relink


class Deletion(NamedTuple):
    """What goes with a run: its row of `operations/alone.sql`, and how many rows by table."""

    run: dict[str, Any]
    rows: dict[str, int]

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self.run["run_id"])


def planned(root: Path, run: str) -> Deletion:
    """What deleting a run would delete; `run` may be the beginning of its id, if of no other's."""
    with Lake(workspace_with_lake(root), read_only=True) as lake:
        return _planned(lake, run_of(lake, run))


def _planned(lake: Lake, run_id: str) -> Deletion:
    found = lake.query(sql("operations/alone"), {"run": run_id}).to_pylist()
    if not found:
        raise RunError(f"run {run_id} is gone already; `sortal runs` lists those that are there")
    run = found[0]
    counts = {name: _count(lake, name, "run_id = $run", run=run_id) for name in RUN_TABLES}
    if run["scan_is_its_own"]:
        of_scan = {"scan": run["scan"], "collection": run["collection"]}
        where = "scan = $scan AND collection = $collection"
        counts |= {name: _count(lake, name, where, **of_scan) for name in SCAN_TABLES}
    return Deletion(run, {name: count for name, count in counts.items() if count})


def _count(lake: Lake, table: str, where: str, **values: Any) -> int:
    found = lake.execute(f"SELECT count(*) FROM {table} WHERE {where}", values).fetchone()
    return int((found or (0,))[0])


def delete(root: Path, run: str) -> Deletion:
    """Delete a run in one transaction; runs that followed it then follow the one before it.

    Their ids and names stay. Raises RunError while its collection is being sorted, UsageError for
    a run that is not there.
    """
    workspace = workspace_with_lake(root)
    with Lake(workspace) as lake:
        run_id = run_of(lake, run)
        name = str(_planned(lake, run_id).run["collection"])
        with hold(workspace, name, name=f"the deletion of {run_id}") as token:
            gone = _planned(lake, run_id)
            before, followers = gone.run["previous_run_id"], gone.run["followers"]
            linked = {each: compare(workspace, lake, each, before) for each in followers}

            def work() -> None:
                lake.mark()
                for follower, lineage in linked.items():
                    relink(lake, workspace, follower, lineage)
                delete_rows(lake, gone.run)

            lake.transact(work, lambda _: fence(workspace, name, token))
    _remove_files(workspace, run_id)
    return gone


def _remove_files(workspace: Workspace, run_id: str) -> None:
    """Remove the run's report, and the record by which `verify` would bring back its row."""
    (workspace.reports / f"{run_id}.html").unlink(missing_ok=True)
    for record in workspace.artifacts.glob("run/*/run.json"):
        if json.loads(record.read_text(encoding="utf-8"))["run_id"] == run_id:
            remove(record.parent)
    if mirror := Mirror.of(workspace):
        delete_run(mirror, run_id)
