"""`sortal runs`: the history, and deleting old parts of it."""

from typing import Annotated

import typer

from sortal.configs import WORKSPACE
from sortal.flows.cli.options import TABLE, FormatOption, WorkspaceOption


def runs(
    workspace: WorkspaceOption = WORKSPACE,
    output: FormatOption = TABLE,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="List the old runs to delete; --yes deletes them."),
    ] = False,
    keep_last: Annotated[
        int | None, typer.Option(help="With --prune: keep the newest N of each series.")
    ] = None,
    older_than: Annotated[
        float | None, typer.Option(help="With --prune: only runs that finished N days ago or more.")
    ] = None,
    collection: Annotated[
        str | None, typer.Option(help="With --prune: only runs of this collection.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --prune: delete the listed runs.")
    ] = False,
) -> None:
    """List the runs, newest first; or delete old runs by rule."""
    if prune:
        from sortal.flows.terminal.maintenance import prune_runs

        prune_runs(workspace, keep_last, older_than, collection, yes)
    else:
        from sortal.flows.terminal.query import list_runs

        list_runs(workspace, output)
