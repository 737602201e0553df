"""`sortal verify`: whether everything in the workspace is what it was when it was written."""

from typing import Annotated

import typer

from sortal.flows.cli.app import DEFAULT_WORKSPACE, WorkspaceOption


def register(app: typer.Typer) -> None:
    """Add this area's commands."""
    app.command()(verify)


def verify(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be; the next run makes the rest again.")
    ] = False,
) -> None:
    """Check every artifact, vector and table; exit status 1 if something is damaged."""
    from sortal.flows.terminal.verify import verify as examine

    if not examine(workspace, repair):
        raise typer.Exit(1)
