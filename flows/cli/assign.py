"""`sortal assign`: new images into a run's clusters."""

from typing import Annotated

import typer

from sortal.configs import QUANTILE, WORKSPACE
from sortal.flows.cli.options import (
    TABLE,
    ColumnOption,
    ExcludeOption,
    FormatOption,
    IncludeOption,
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
    column: ColumnOption = None,
    exclude: ExcludeOption = None,
    include: IncludeOption = None,
    workspace: WorkspaceOption = WORKSPACE,
    output: FormatOption = TABLE,
    file: OutputOption = None,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Do not write to the table placements.")
    ] = False,
) -> None:
    """Put new images into a run's clusters; nothing is trained or solved."""
    from sortal.flows.terminal.assign import AssignRequest, run_assign

    globs = {"exclude": tuple(exclude or ()), "include": tuple(include or ())}
    about = {"quantile": quantile, "column": column, "record": not no_record, **globs}
    request = AssignRequest(workspace, source, run, collection, **about)  # type: ignore[arg-type]
    run_assign(request, output, file)
