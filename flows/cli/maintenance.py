"""`sortal maintain`, `backup` and `verify`: what keeps a workspace small, safe and sound."""

from pathlib import Path
from typing import Annotated

import typer

from sortal.configs import GRACE_DAYS, SHARD_ROWS, SNAPSHOT_DAYS, WORKSPACE
from sortal.flows.cli.options import JsonOption, WorkspaceOption, named


def maintain(
    workspace: WorkspaceOption = WORKSPACE,
    keep_snapshots_days: Annotated[
        float, typer.Option(help="Days of time travel kept in the lake.")
    ] = SNAPSHOT_DAYS,
    grace_days: Annotated[float, typer.Option(help="Keep files used within N days.")] = GRACE_DAYS,
    shard_rows: Annotated[
        int, typer.Option(help="Merge vector shards smaller than half of N rows.")
    ] = SHARD_ROWS,
    dry_run: Annotated[
        bool, typer.Option(help="Print what would be removed, and its size.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Merge small files and remove unused ones; safe while a run is in progress."""
    from sortal.flows.terminal.maintenance import run_maintain

    given = {
        "workspace": workspace,
        "keep_snapshots_days": keep_snapshots_days,
        "grace_days": grace_days,
        "shard_rows": shard_rows,
        "dry_run": dry_run,
    }
    run_maintain(given, as_json)


def backup(
    target: Annotated[
        Path,
        typer.Argument(parser=named, metavar="TARGET", help="Folder outside the workspace."),
    ],
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Copy new files to TARGET, consistently even during a run; the copy is a workspace."""
    from sortal.flows.terminal.maintenance import run_backup

    run_backup(workspace, target)


def verify(
    workspace: WorkspaceOption = WORKSPACE,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Repair what is possible; the next run rebuilds what is removed."
        ),
    ] = False,
) -> None:
    """Check every artifact, vector and table; exit status 1 if something is damaged."""
    from sortal.flows.terminal.checks import verify as check

    if not check(workspace, repair):
        raise typer.Exit(1)
