"""`sortal runs` and `sortal collections`: the history, and whose it is."""

from typing import Annotated

import typer

from sortal.configs import WORKSPACE
from sortal.configs.errors import UsageError
from sortal.flows.cli.options import TABLE, FormatOption, WorkspaceOption


def runs(
    workspace: WorkspaceOption = WORKSPACE,
    output: FormatOption = TABLE,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="List the old runs to delete; --yes deletes them."),
    ] = False,
    delete: Annotated[
        str | None,
        typer.Option(
            "--delete",
            metavar="RUN",
            help="Delete one run (its id, or the beginning of it); asks first, unless --yes.",
        ),
    ] = None,
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
        bool, typer.Option("--yes", help="With --prune or --delete: delete what is listed.")
    ] = False,
) -> None:
    """List the runs, newest first; or delete one of them, or old ones by rule."""
    rules = {"--keep-last": keep_last, "--older-than": older_than, "--collection": collection}
    stray = next((name for name, value in rules.items() if value is not None), None)
    if stray and not prune:
        raise UsageError(f"{stray} goes with --prune, got it alone")
    if yes and not prune and delete is None:
        raise UsageError("--yes goes with --prune or --delete RUN, got it alone")
    if output != TABLE and (prune or delete is not None):
        raise UsageError(f"--format is of the list of runs alone, got it with {_other(prune)}")
    if delete is not None:
        if prune:
            raise UsageError("runs takes --delete RUN or --prune, got both")
        from sortal.flows.terminal.maintenance import delete_run

        delete_run(workspace, delete, yes)
    elif prune:
        from sortal.flows.terminal.maintenance import prune_runs

        prune_runs(workspace, keep_last, older_than, collection, yes)
    else:
        from sortal.flows.terminal.query import list_runs

        list_runs(workspace, output)


def _other(prune: bool) -> str:
    return "--prune" if prune else "--delete"


def collections(
    workspace: WorkspaceOption = WORKSPACE,
    output: FormatOption = TABLE,
    rebind: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--rebind",
            metavar="NAME SOURCE",
            help="Say where the source of a collection is now; its runs, ids and names stay.",
        ),
    ] = None,
) -> None:
    """List the collections and their sources; or tell Sortal that a source has moved."""
    if rebind and output != TABLE:
        raise UsageError("--format is of the list of collections alone, got it with --rebind")
    if rebind:
        from sortal.flows.terminal.lineage import run_rebind

        run_rebind(workspace, *rebind)
    else:
        from sortal.flows.terminal.lineage import list_collections

        list_collections(workspace, output)
