"""`sortal runs` and `sortal maintain`: history, and what keeps a workspace small."""

from typing import Annotated

import typer

from flows.cli import DEFAULT_WORKSPACE, WorkspaceOption


def register(app: typer.Typer) -> None:
    """Add this area's commands."""
    app.command()(runs)


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
        from flows.history import prune_runs

        prune_runs(workspace, keep_last, older_than, collection, yes)
        return
    from flows.queries import list_runs

    list_runs(workspace, output)
