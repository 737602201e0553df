"""SQL: the statements in storage/sql/, and rows that are given as a query."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SQL = Path(__file__).parents[1] / "sql"


@dataclass(frozen=True)
class Select:
    """Rows given as a query with bound values, so that big tables never pass through Python."""

    sql: str
    parameters: dict[str, Any] = field(default_factory=dict)


def one_row(values: Mapping[str, Any]) -> Select:
    """One row of named values, each bound; the names are identifiers of Python."""
    return Select(f"SELECT {', '.join(f'${name} AS {name}' for name in values)}", dict(values))


def sql(name: str) -> str:
    """The text of `storage/sql/<name>.sql`."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8").strip().removesuffix(";")


def compared(name: str, runs: str = "given") -> str:
    """A comparison of runs, `files` or `moved`: of the `given` $first and $second, or the `latest`.

    The latest are the newest run of each collection and the one that it was compared with.
    """
    return f"WITH pair AS (\n{sql(f'compare/{runs}')}\n),\n\n{sql(f'compare/{name}')}"


def literal(value: str) -> str:
    """`value` as an SQL string literal, for the statements that take no bound values."""
    escaped = value.replace("'", "''")
    return f"'{escaped}'"
