"""Reading the lake from a terminal: `sortal runs` and `sortal sql`.

Kept free of torch, Prefect and pydantic, so that an answer comes in half a second.
"""

import csv
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill, indent
from typing import IO, TYPE_CHECKING, Any

import duckdb

from sortal.configs.errors import UsageError
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.retry import one_line
from sortal.storage.lake.sql import sql
from sortal.storage.workspace import Workspace
from sortal.tasks.evaluation.metrics import METRICS

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("table", "csv", "json", "parquet")
ROWS_SHOWN = 100
_BATCH = 10_000
_READING = ("SELECT", "EXPLAIN", "RELATION")

TABLES = """\
WITH kind AS (
    SELECT table_name AS name, 'table' AS kind, comment AS what
    FROM duckdb_tables()
    WHERE database_name = 'lake' AND schema_name = 'main' AND table_name != 'meta'
    UNION ALL
    SELECT view_name, 'view', comment
    FROM duckdb_views()
    WHERE database_name = 'lake' AND schema_name = 'main'
)

SELECT
    kind.name,
    kind.kind,
    kind.what,
    string_agg(part.column_name, ', ' ORDER BY part.column_index) AS columns
FROM kind
JOIN duckdb_columns() AS part
    ON part.table_name = kind.name
    AND part.database_name = 'lake'
    AND part.schema_name = 'main'
GROUP BY ALL
ORDER BY kind.kind, kind.name"""

_MEANINGS = "SELECT unnest($1) AS name, unnest($2) AS meaning"

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
        write(lake.execute(sql("operations/runs")), output, file)


def run_sql(
    workspace: Path, query: str | None, output: str = "table", file: Path | None = None
) -> None:
    """Write the answer to one reading statement; without one, or to `.tables`, what there is.

    `.metrics` tells what the names in the table `metrics` mean.

    Raises UsageError, in one line, for a statement that writes, for SQL that is wrong and for a
    format that is not one of FORMATS. The statement sees the lake and no other file.
    """
    with reading(workspace) as lake:
        if query is None or query.strip() == ".tables":
            _show_lines(lake.execute(TABLES), "{} ({}): {}\n{}\n", output, file)
            if output == "table" and file is None:
                sys.stdout.write(f"{EXAMPLES}\n")
            return
        if query.strip() == ".metrics":
            answer = lake.execute(_MEANINGS, [list(METRICS), list(METRICS.values())])
            _show_lines(answer, "{}: {}\n", output, file)
            return
        with _clear_errors():
            check_reads(lake, query)
            write(lake.execute(query), output, file)


def ask(
    workspace: Path, query: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None
) -> "pa.Table":
    """The answer to one reading statement with bound parameters; raises UsageError as `run_sql`."""
    values = dict(parameters) if isinstance(parameters, Mapping) else list(parameters or ())
    with reading(workspace) as lake, _clear_errors():
        check_reads(lake, query)
        return lake.query(query, values or None)


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise UsageError(f"SQL: {one_line(error)}") from error


def _show_lines(
    answer: duckdb.DuckDBPyConnection, layout: str, output: str, file: Path | None
) -> None:
    """Write rows of texts in full, by `layout`, where a table would cut them short."""
    if output != "table" or file is not None:
        write(answer, output, file)
        return
    with _pipe_may_close():
        for first, *rest, last in answer.fetchall():
            wrapped = indent(fill(last, 92), "    ") if rest else last
            sys.stdout.write(layout.format(first, *rest, wrapped))


@contextmanager
def reading(workspace: Path) -> Iterator[Lake]:
    """The lake, for reading only, closed to every file outside it."""
    with Lake(Workspace(workspace), read_only=True) as lake:
        lake.confine()
        yield lake


def check_reads(lake: Lake, query: str) -> None:
    """Raises UsageError unless `query` is one statement that only reads."""
    statements = lake.statements(query)
    if len(statements) != 1:
        raise UsageError(f"sql takes one statement, got {len(statements)}")
    kind = statements[0].type.name
    if kind not in _READING:
        raise UsageError(f"sql only reads: SELECT, FROM, DESCRIBE or EXPLAIN, got {kind}")


def write(answer: duckdb.DuckDBPyConnection, output: str, file: Path | None) -> None:
    """Write an answer in one of FORMATS to `file`, or to stdout; streams all but a table."""
    if output not in FORMATS:
        raise UsageError(f"--format must be one of {', '.join(FORMATS)}, got {output}")
    if output == "parquet":
        _write_parquet(answer, file)
    elif file is None:
        with _pipe_may_close():
            _write_text(answer, output, sys.stdout)
    else:
        with _opened(file) as stream:
            _write_text(answer, output, stream)


@contextmanager
def _pipe_may_close() -> Iterator[None]:
    """Ignore a closed pipe, as `head` closes it."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more on its way out: give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _opened(file: Path) -> IO[str]:
    try:
        return file.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"--output must be a file that can be written: {error}") from error


def _write_text(answer: duckdb.DuckDBPyConnection, output: str, stream: IO[str]) -> None:
    {"table": write_table, "csv": _csv, "json": _json}[output](answer, stream)


def _rows(answer: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while batch := answer.fetchmany(_BATCH):
        yield from batch


def _names(answer: duckdb.DuckDBPyConnection) -> list[str]:
    return [column[0] for column in answer.description or []]


def _csv(answer: duckdb.DuckDBPyConnection, stream: IO[str]) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_names(answer))
    for row in _rows(answer):
        writer.writerow(_plain(value) for value in row)


def _json(answer: duckdb.DuckDBPyConnection, stream: IO[str]) -> None:
    names = _names(answer)
    separator = "["
    for row in _rows(answer):
        record = json.dumps(dict(zip(names, row, strict=True)), default=str, ensure_ascii=False)
        stream.write(f"{separator}\n{record}")
        separator = ","
    stream.write("[]\n" if separator == "[" else "\n]\n")


def _plain(value: Any) -> Any:
    nested = isinstance(value, list | dict)
    return json.dumps(value, default=str, ensure_ascii=False) if nested else value


def _write_parquet(answer: duckdb.DuckDBPyConnection, file: Path | None) -> None:
    import pyarrow.parquet as pq

    if file is None:
        raise UsageError("--format parquet needs --output FILE")
    batches = answer.to_arrow_reader(_BATCH)
    try:
        with pq.ParquetWriter(file, batches.schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
    except OSError as error:
        raise UsageError(f"--output must be a file that can be written: {error}") from error


def write_table(answer: duckdb.DuckDBPyConnection, stream: IO[str]) -> None:
    """Write the first rows of an answer in columns."""
    rows = answer.fetchmany(ROWS_SHOWN + 1)
    cells = [_names(answer), *([_cell(value) for value in row] for row in rows[:ROWS_SHOWN])]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    right = [bool(rows) and all(_is_number(row[i]) for row in rows) for i in range(len(widths))]
    rule = ["-" * width for width in widths]
    for row in (cells[0], rule, *cells[1:]):
        aligned = (
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(row, widths, right, strict=True)
        )
        stream.write("  ".join(aligned).rstrip() + "\n")
    if len(rows) > ROWS_SHOWN:
        stream.write(f"... only {ROWS_SHOWN} rows are shown; take all with --format csv\n")


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, int | float)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.1f}"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    printable = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return printable if len(printable) <= 60 else printable[:59] + "…"
