"""SQL: the statements in storage/sql/, and rows that are given as a query."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass


SQL = Path(__file__).parents[1] / "sql"


@dataclass(frozen=True)
class Select:
    """Rows given as a query with bound values, so that big tables never pass through Python."""

    sql: str
    parameters: dict[str, Any] = field(default_factory=dict)


def sql(name: str) -> str:
    """The text of `storage/sql/<name>.sql`."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8").strip().removesuffix(";")
