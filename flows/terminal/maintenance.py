"""What `sortal maintain`, `sortal backup` and `sortal runs --prune` or `--delete` print."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from sortal.configs.commands.maintenance import MaintenanceConfig
from sortal.configs.errors import counted
from sortal.configs.load import checked
from sortal.flows.operations import prune
from sortal.flows.operations.delete import Deletion, delete, planned
from sortal.flows.operations.maintenance import Item, backup, maintain
from sortal.storage.lake.catalogue import Catalogue
from sortal.storage.maintenance.prune import PruneRules
from sortal.storage.workspace import Workspace
from sortal.tasks.shown import shown
from sortal.tasks.silence import unwatched

_SHOWN = 20  # runs


def run_maintain(values: Mapping[str, Any], as_json: bool) -> None:
    """`sortal maintain`: do it without Prefect, and print what was done."""
    config = checked(MaintenanceConfig, values)
    items = maintain(config)
    if as_json:
        found = {"dry_run": config.dry_run, "items": [item.model_dump() for item in items]}
        sys.stdout.write(f"{json.dumps(found)}\n")
        return
    done = [item for item in items if item.count]
    _show_items(done)
    note = "nothing was changed; leave out --dry-run to do it" if done else "nothing to do"
    if config.dry_run or not done:
        sys.stdout.write(f"{note}\n")


def _show_items(items: list[Item]) -> None:
    width = max((len(item.what) for item in items), default=0)
    for item in items:
        size = f"{item.bytes / 1e6:>10,.1f} MB" if item.bytes else ""
        sys.stdout.write(f"{item.what:{width}}  {item.count:>8,}{size}\n")


def run_backup(workspace: Path, target: Path) -> None:
    """`sortal backup`: copy what is new, and say how much that was."""
    count, size = backup(workspace, target)
    sys.stdout.write(f"{counted(count, 'file')} copied to {shown(target)}, {size / 1e6:,.1f} MB\n")
    if Catalogue.configured(Workspace(workspace)).is_postgres:
        sys.stdout.write(
            "the catalogue is in PostgreSQL: pg_dump it before this; see docs/operations.md\n"
        )


def prune_runs(
    workspace: Path,
    keep_last: int | None,
    older_than: float | None,
    collection: str | None,
    yes: bool,
) -> None:
    """Print the runs that the rules would delete; with `yes`, delete them and their reports."""
    rules = PruneRules(keep_last, older_than, collection)
    runs = prune.prune_runs(workspace, rules, yes)
    for run in runs[:_SHOWN]:
        finished = f"{run['finished_at']:%Y-%m-%d %H:%M}"
        what = f"{run['collection']}  {run['method']}  {counted(run['n_images'], 'image')}"
        sys.stdout.write(f"{run['run_id']}  {finished}  {shown(what)}\n")
    if len(runs) > _SHOWN:
        sys.stdout.write(f"... and {len(runs) - _SHOWN:,} more\n")
    sys.stdout.write(f"{_outcome(len(runs), yes)}\n")


def _outcome(count: int, deleted: bool) -> str:
    runs = f"{count:,} run{'' if count == 1 else 's'}"
    if not count:
        return "no run is to be deleted by these rules"
    if not deleted:
        return f"{runs} would go; add --yes to delete them"
    return f"{runs} gone; `sortal maintain` frees the disk once old snapshots expire"


def delete_run(workspace: Path, run: str, yes: bool) -> None:
    """Say what would go; delete it with `yes`, or when a person at a terminal agrees."""
    plan = planned(workspace, run)
    for line in lines_of(plan):
        print(line)
    if not yes and not sys.stdin.isatty():
        print("nothing was changed; add --yes to delete it")
        return
    if not yes:
        unwatched()  # a person may take their time
    if not yes and not typer.confirm("delete it?"):
        print("nothing was changed")
        return
    delete(workspace, plan.run_id)
    print(f"run {plan.run_id} is gone; `sortal maintain` frees the disk once old snapshots expire")


def lines_of(plan: Deletion) -> list[str]:
    """What a deletion deletes and changes, for people."""
    run = plan.run
    finished = f"{run['finished_at']:%Y-%m-%d %H:%M}"
    rows = ", ".join(f"{count:,} {table}" for table, count in plan.rows.items())
    lines = [
        f"run {plan.run_id} of {run['collection']}: {run['method']}, "
        f"{counted(run['n_images'], 'image')}, finished {finished}",
        f"  goes with it: {rows or 'no rows'}, its report, "
        f"{counted(run['artifacts'], 'artifact')} that no other run needs",
    ]
    if run["pins"]:
        names = ", ".join(f"{pin['name']} (id {pin['id']})" for pin in run["pins"])
        lines.append(f"  pinned names of clusters that are in no other run: {names}")
    if run["marks"]:
        said = ", ".join(f"{mark['mark']} (id {mark['id']})" for mark in run["marks"])
        lines.append(f"  marks of clusters that are in no other run: {said}")
    for follower in run["followers"]:
        then = run["previous_run_id"]
        now = f"is compared with {then} then" if then else "is the first of its series then"
        lines.append(f"  run {follower} {now}; `sortal report {follower}` writes its page again")
    if run["is_the_last"]:
        lines.append(f"  it is the only run of {run['collection']}: its name is free again")
    return lines
