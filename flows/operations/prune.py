"""`sortal runs --prune`: deletes old runs by rule, or says which it would."""

from pathlib import Path
from typing import Any

from sortal.flows.operations.maintenance import workspace_with_lake
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.runs import newest_run
from sortal.storage.maintenance.prune import PruneRules, prunable, prune


def prune_runs(workspace: Path, rules: PruneRules, delete: bool) -> list[dict[str, Any]]:
    """The runs that the rules would delete; with `delete`, they and their reports are deleted."""
    place = workspace_with_lake(workspace)
    with Lake(place) as lake:
        if rules.collection is not None:
            newest_run(lake, collection=rules.collection)  # there is one of that name
        runs = prune(lake, rules) if delete else prunable(lake, rules)
    for run in runs if delete else ():
        (place.reports / f"{run['run_id']}.html").unlink(missing_ok=True)
    return runs
