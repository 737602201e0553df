"""`sortal rename` and `sortal diff`: names that stay, and what moved between two runs."""

from typing import Annotated

import typer

from sortal.flows.cli.app import DEFAULT_WORKSPACE, WorkspaceOption


def register(app: typer.Typer) -> None:
    """Add this area's commands."""
    app.command()(rename)
    app.command()(diff)


def rename(
    cluster: Annotated[str, typer.Argument(help="A cluster's stable id, or its present name.")],
    name: Annotated[str | None, typer.Argument(help="The name it shall have, and keep.")] = None,
    run: Annotated[str | None, typer.Option(help="A run id; default: the newest run.")] = None,
    unpin: Annotated[bool, typer.Option("--unpin", help="Give it its own name again.")] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Give a cluster a name that stays, in every run of its series."""
    from sortal.flows.terminal.lineage import run_rename

    run_rename(workspace, cluster, name, run, unpin)


def diff(
    first: Annotated[str, typer.Argument(help="A run id.")],
    second: Annotated[str, typer.Argument(help="A later run's id.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    output: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
) -> None:
    """Print what moved between two runs: images counted by cluster in each."""
    from sortal.flows.terminal.lineage import show_diff

    show_diff(workspace, first, second, output)
