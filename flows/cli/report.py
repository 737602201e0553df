"""`sortal report`: the page of a run."""

from typing import Annotated

import typer

from sortal.configs import WORKSPACE
from sortal.flows.cli.options import WorkspaceOption


def report(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Run id. Default: the newest run.")
    ] = None,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Write the report of a run again, and print its path."""
    from sortal.flows.terminal.run import make_report

    make_report(workspace, run)
