"""`sortal rename` and `sortal diff`: names that stay, and what moved between two runs."""

from typing import Annotated

import typer

from sortal.configs import WORKSPACE
from sortal.flows.cli.options import (
    TABLE,
    FormatOption,
    OutputOption,
    RunOption,
    WorkspaceOption,
)


def rename(
    cluster: Annotated[
        str, typer.Argument(metavar="CLUSTER", help="Stable id or current name of a cluster.")
    ],
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The new name.")] = None,
    run: RunOption = None,
    unpin: Annotated[
        bool, typer.Option("--unpin", help="Restore the automatic name instead.")
    ] = False,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Give a cluster a name that it keeps in every run of its series."""
    from sortal.flows.terminal.lineage import run_rename

    run_rename(workspace, cluster, name, run, unpin)


def diff(
    first: Annotated[str, typer.Argument(metavar="FIRST", help="A run id.")],
    second: Annotated[str, typer.Argument(metavar="SECOND", help="The id of a later run.")],
    workspace: WorkspaceOption = WORKSPACE,
    output: FormatOption = TABLE,
    file: OutputOption = None,
    images: Annotated[
        bool,
        typer.Option(
            "--images",
            help="List the files: new, gone, renamed, copied, edited, unreadable, repaired, moved.",
        ),
    ] = False,
) -> None:
    """Print what moved between two runs: images counted by cluster in each, or every file."""
    from sortal.flows.terminal.lineage import show_diff

    show_diff(workspace, first, second, output, file, images)
