"""`sortal runs`, `maintain` and `backup`: history, and what keeps a workspace small and safe."""

from pathlib import Path
from typing import Annotated

import typer

from sortal.flows.cli.app import DEFAULT_WORKSPACE, WorkspaceOption


def register(app: typer.Typer) -> None:
    """Add this area's commands."""
    app.command()(runs)
    app.command()(maintain)
    app.command()(backup)


def runs(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    output: Annotated[str, typer.Option("--format", help="table, csv, json or parquet.")] = "table",
    prune: Annotated[
        bool, typer.Option("--prune", help="Say which past runs would go; --yes lets them go.")
    ] = False,
    keep_last: Annotated[
        int | None, typer.Option(help="Prune: keep the newest N of each series.")
    ] = None,
    older_than: Annotated[
        float | None, typer.Option(help="Prune: only runs finished this many days ago.")
    ] = None,
    collection: Annotated[str | None, typer.Option(help="Prune: only this collection.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Prune: do it.")] = False,
) -> None:
    """List the runs, newest first; or prune past ones by policy."""
    if prune:
        from sortal.flows.terminal.maintenance import prune_runs

        prune_runs(workspace, keep_last, older_than, collection, yes)
        return
    from sortal.flows.terminal.query import list_runs

    list_runs(workspace, output)


def maintain(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    keep_snapshots_days: Annotated[
        float | None, typer.Option(help="How far back the lake's time travel reaches. [7]")
    ] = None,
    grace_days: Annotated[
        float | None, typer.Option(help="No file goes that was of use since. [7]")
    ] = None,
    shard_rows: Annotated[
        int | None, typer.Option(help="Vector shards under half of this are merged. [65536]")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Only say what would go, and its bytes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Merge small files and remove what nothing needs; safe beside a running run."""
    from sortal.flows.terminal.maintenance import run_maintain

    given = {
        "workspace": workspace,
        "keep_snapshots_days": keep_snapshots_days,
        "grace_days": grace_days,
        "shard_rows": shard_rows,
        "dry_run": dry_run,
    }
    run_maintain({name: value for name, value in given.items() if value is not None}, as_json)


def backup(
    target: Annotated[Path, typer.Argument(help="A folder outside the workspace.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Copy what is new to TARGET, whole even while a run goes on; a copy is a workspace."""
    from sortal.flows.terminal.maintenance import run_backup

    run_backup(workspace, target)
