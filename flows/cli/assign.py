"""`sortal assign`: new images into a run's clusters."""

from typing import Annotated

import typer

from sortal.configs import QUANTILE, WORKSPACE
from sortal.flows.cli.options import (
    TABLE,
    FormatOption,
    OutputOption,
    RunOption,
    WorkspaceOption,
)


def assign(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="Folder of images, tar file, Parquet, one image, or vectors."
        ),
    ],
    run: RunOption = None,
    collection: Annotated[
        str | None, typer.Option(help="Use the newest run of this collection.")
    ] = None,
    quantile: Annotated[
        float,
        typer.Option(help="Distance quantile above which an image is flagged as unlike."),
    ] = QUANTILE,
    workspace: WorkspaceOption = WORKSPACE,
    output: FormatOption = TABLE,
    file: OutputOption = None,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Do not write to the table placements.")
    ] = False,
) -> None:
    """Put new images into a run's clusters; nothing is trained or solved."""
    from sortal.flows.terminal.assign import AssignRequest, run_assign

    request = AssignRequest(workspace, source, run, collection, quantile, record=not no_record)
    run_assign(request, output, file)
