"""`sortal doctor`: whether everything needed is installed and works."""

import typer

from sortal.configs import WORKSPACE
from sortal.flows.cli.options import WorkspaceOption


def doctor(workspace: WorkspaceOption = WORKSPACE) -> None:
    """Check the environment and print how to fix what is wrong."""
    from sortal.flows.terminal.checks import examine

    if not examine(workspace):
        raise typer.Exit(1)
