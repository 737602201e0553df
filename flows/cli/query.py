"""`sortal sql` and `sortal find`: questions to the lake, and images that words describe."""

from pathlib import Path
from typing import Annotated

import typer

from sortal.configs import WORKSPACE
from sortal.flows.cli.options import TABLE, FormatOption, OutputOption, RunOption, WorkspaceOption


def sql(
    query: Annotated[
        str | None,
        typer.Argument(
            metavar="QUERY", help="A SELECT statement, .tables or .metrics. Default: .tables."
        ),
    ] = None,
    workspace: WorkspaceOption = WORKSPACE,
    output: FormatOption = TABLE,
    file: OutputOption = None,
) -> None:
    """Run a read-only SQL query on the lake (DuckDB's dialect)."""
    from sortal.flows.terminal.query import run_sql

    run_sql(workspace, query, output, file)


def find(
    words: Annotated[
        str | None, typer.Argument(metavar="WORDS", help="What is to be seen.")
    ] = None,
    image: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A picture to find the like of.")
    ] = None,
    count: Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many images.")] = 50,
    run: RunOption = None,
    workspace: WorkspaceOption = WORKSPACE,
    output: FormatOption = TABLE,
) -> None:
    """Find the images nearest to words, to a picture, or to both."""
    from sortal.flows.terminal.export import run_find

    run_find(workspace, words, image, count, run, output)
