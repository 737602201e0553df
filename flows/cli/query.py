"""`sortal sql`: questions to the lake."""

from typing import Annotated

import typer

from sortal.configs import WORKSPACE
from sortal.flows.cli.options import TABLE, FormatOption, OutputOption, WorkspaceOption


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
