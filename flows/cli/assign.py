"""`sortal assign`: new images into a run's clusters."""

from pathlib import Path
from typing import Annotated

import typer

from sortal.flows.cli.app import DEFAULT_WORKSPACE, WorkspaceOption


def register(app: typer.Typer) -> None:
    """Add this area's command."""
    app.command()(assign)


def assign(
    source: Annotated[
        str, typer.Argument(help="A folder of images, a tar file, Parquet, one image, or vectors.")
    ],
    run: Annotated[str | None, typer.Option(help="A run id; default: the newest run.")] = None,
    collection: Annotated[
        str | None, typer.Option(help="Take the newest run of this collection.")
    ] = None,
    quantile: Annotated[
        float | None,
        typer.Option(help="Unlike: farther than this share of the run's own images; 0.99."),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    output: Annotated[str, typer.Option("--format", help="table, csv, json or parquet.")] = "table",
    file: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Leave the lake's table placements alone.")
    ] = False,
) -> None:
    """Put new images into a run's clusters at once: nothing is solved or fitted."""
    from sortal.flows.terminal.assign import AssignRequest, run_assign

    request = AssignRequest(workspace, source, run, collection, quantile, record=not no_record)
    run_assign(request, output, file)
