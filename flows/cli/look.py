"""`sortal browse`, `report` and `export`: a run to look at, and its images by kind."""

from pathlib import Path
from typing import Annotated

import typer

from sortal.configs import WORKSPACE
from sortal.flows.cli.options import WorkspaceOption, named


def browse(
    workspace: WorkspaceOption = WORKSPACE,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Default: the next free from 4280."),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="Another address of this machine to serve at; who comes needs a token."),
    ] = None,
    token: Annotated[
        str | None, typer.Option(help="What others need to come in. Default: made and printed.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the address in the browser.")
    ] = True,
) -> None:
    """Look at every image of a workspace by kind, in the browser, until Ctrl-C."""
    from sortal.flows.browse.serve import place_of, serve
    from sortal.storage.workspace import Workspace

    serve(Workspace(workspace), place_of(host, port, token), show)


def report(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Run id. Default: the newest run.")
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="As PDF too, through Chromium.")] = False,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Write the report of a run again, and print its path."""
    from sortal.flows.terminal.run import make_report

    make_report(workspace, run, pdf)


def export(
    to: Annotated[
        Path,
        typer.Option(
            "--to", parser=named, metavar="TO", help="A new folder, or a new file for a table."
        ),
    ],
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="Run id, its beginning, or `latest`."),
    ] = "latest",
    form: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="FORM",
            help="links, copies, csv, parquet, jsonl, imagefolder, webdataset, hf, coco, fiftyone.",
        ),
    ] = "links",
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only this kind, by stable id or name. Repeatable."),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(metavar="SQL", help='Only images that fulfil this, such as "width > 800".'),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")
    ] = False,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Put the images of a run into a folder a kind, or into a format of other programs."""
    from sortal.flows.operations.export.run import Request
    from sortal.flows.terminal.export import run_export

    run_export(Request(workspace, to, form, run, kind or (), where, dry_run))
