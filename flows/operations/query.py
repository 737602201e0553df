"""Reading the lake: what there is, and one statement of a user's that reads.

Kept free of torch, Prefect and pydantic, so that an answer comes in half a second.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from sortal.configs.errors import UsageError
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.retry import one_line
from sortal.storage.lake.sql import sql
from sortal.storage.workspace import Workspace
from sortal.tasks.evaluation.metrics import METRICS

if TYPE_CHECKING:
    import pyarrow as pa

_READING = ("SELECT", "EXPLAIN", "RELATION")
_PRAGMA = re.compile(r"(\s|--[^\n]*\n|/\*.*?\*/)*PRAGMA\b", re.IGNORECASE | re.DOTALL)
_MEANINGS = "SELECT unnest($1) AS name, unnest($2) AS meaning"


@contextmanager
def reading(workspace: Path) -> Iterator[Lake]:
    """The lake, for reading only, closed to every file outside it."""
    with Lake(Workspace(workspace), read_only=True) as lake:
        lake.confine()
        yield lake


def runs(lake: Lake) -> duckdb.DuckDBPyConnection:
    """The runs, newest first."""
    return lake.execute(sql("operations/runs"))


def tables(lake: Lake) -> duckdb.DuckDBPyConnection:
    """Every table and view: name, kind, what it holds, its columns."""
    return lake.execute(sql("operations/tables"))


def meanings(lake: Lake) -> duckdb.DuckDBPyConnection:
    """What the names in the table `metrics` mean."""
    return lake.execute(_MEANINGS, [list(METRICS), list(METRICS.values())])


@contextmanager
def sql_errors() -> Iterator[None]:
    """Raise UsageError, in one line, in place of an error of the user's SQL.

    Some errors come only while the rows are fetched.
    """
    try:
        yield
    except duckdb.Error as error:
        raise UsageError(f"SQL: {one_line(error)}") from error


def answer(
    lake: Lake, query: str, values: dict[str, Any] | list[Any] | None = None
) -> duckdb.DuckDBPyConnection:
    """The answer to one statement that reads; UsageError for one that writes, or for several."""
    statements = lake.statements(query)
    if len(statements) != 1:
        raise UsageError(f"sql takes one statement, got {len(statements)}")
    kind = statements[0].type.name
    if _PRAGMA.match(query):  # some are read as a SELECT, and tell where the lake is
        kind = "PRAGMA"
    if kind not in _READING:
        raise UsageError(f"sql only reads: SELECT, FROM, DESCRIBE or EXPLAIN, got {kind}")
    return lake.execute(query, values)


def ask(
    workspace: Path, query: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None
) -> "pa.Table":
    """The answer to one reading statement with bound parameters; raises UsageError in one line."""
    values = dict(parameters) if isinstance(parameters, Mapping) else list(parameters or ())
    with reading(workspace) as lake, sql_errors():
        return answer(lake, query, values or None).to_arrow_table()
