"""What `sortal runs` and `sortal sql` print."""

import sys
from pathlib import Path
from textwrap import fill, indent

import duckdb

from sortal.flows.operations import query as operations
from sortal.flows.operations.query import reading, sql_errors
from sortal.flows.terminal.formats import write

EXAMPLES = """
Examples:
  sortal sql "FROM cluster_cards"
  sortal sql "SELECT name, count(*) FROM latest_assignments GROUP BY ALL ORDER BY 2 DESC"
  sortal sql "SELECT path, distance FROM latest_assignments ORDER BY distance DESC LIMIT 20"
  sortal sql "SELECT method, seeds, nmi, nmi_sd FROM leaderboard"
  sortal sql "SELECT versus, difference, p FROM significance WHERE method = 'cae'"
  sortal sql "SELECT role, seconds, images_per_second FROM costs ORDER BY seconds DESC"
  sortal sql "FROM failures_by_code"
  sortal sql .metrics          # what the names in the table metrics mean
  sortal sql "FROM latest_assignments" --format parquet --output assignments.parquet"""


def list_runs(workspace: Path, output: str = "table", file: Path | None = None) -> None:
    """Write the runs, newest first, in one of FORMATS."""
    with reading(workspace) as lake:
        write(operations.runs(lake), output, file)


def run_sql(
    workspace: Path, query: str | None, output: str = "table", file: Path | None = None
) -> None:
    """Write the answer to one reading statement; without one, or to `.tables`, what there is.

    `.metrics` explains the names in the table `metrics`.

    Raises UsageError, in one line, for a statement that writes, for SQL that is wrong and for a
    format that is not one of FORMATS. The statement sees the lake and no other file.
    """
    with reading(workspace) as lake:
        if query is None or query.strip() == ".tables":
            _show_lines(operations.tables(lake), "{} ({}): {}\n{}\n", output, file)
            if output == "table" and file is None:
                sys.stdout.write(f"{EXAMPLES}\n")
        elif query.strip() == ".metrics":
            _show_lines(operations.meanings(lake), "{}: {}\n", output, file)
        else:
            with sql_errors():
                write(operations.answer(lake, query), output, file)


def _show_lines(
    answer: duckdb.DuckDBPyConnection, layout: str, output: str, file: Path | None
) -> None:
    """Write rows of texts in full, by `layout`, where a table would cut them short."""
    if output != "table" or file is not None:
        write(answer, output, file)
        return
    for first, *rest, last in answer.fetchall():
        wrapped = indent(fill(last, 92), "    ") if rest else last
        sys.stdout.write(layout.format(first, *rest, wrapped))
