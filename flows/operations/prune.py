"""`sortal runs --prune`: says which past runs would go, and lets them go when told to."""

import sys
from pathlib import Path

from sortal.flows.operations.maintenance import workspace_with_lake
from sortal.storage.lake.lake import Lake
from sortal.storage.maintenance.prune import Policy, prunable, prune

_SHOWN = 20


def prune_runs(
    workspace: Path,
    keep_last: int | None,
    older_than: float | None,
    collection: str | None,
    yes: bool,
) -> None:
    """Print the runs the policy lets go; with `yes`, delete them and their reports."""
    policy = Policy(keep_last, older_than, collection)
    place = workspace_with_lake(workspace)
    with Lake(place) as lake:
        gone = prune(lake, policy) if yes else prunable(lake, policy)
    for run in gone if yes else ():
        (place.reports / f"{run['run_id']}.html").unlink(missing_ok=True)
    for run in gone[:_SHOWN]:
        finished = f"{run['finished_at']:%Y-%m-%d %H:%M}"
        what = f"{run['collection']}  {run['method']}  {run['n_images']:,} images"
        sys.stdout.write(f"{run['run_id']}  {finished}  {what}\n")
    if len(gone) > _SHOWN:
        sys.stdout.write(f"... and {len(gone) - _SHOWN:,} more\n")
    sys.stdout.write(f"{_told(len(gone), yes)}\n")


def _told(count: int, yes: bool) -> str:
    runs = f"{count:,} run{'' if count == 1 else 's'}"
    if not count:
        return "no run may go by this policy"
    if not yes:
        return f"{runs} would go; add --yes to let them go"
    return f"{runs} gone; `sortal maintain` frees the disk once old snapshots expire"
