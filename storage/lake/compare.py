"""Two runs of a collection, file by file: what came, went, was renamed, or is of another kind."""

import duckdb

from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import compared

CHANGES = ("new", "gone", "renamed", "copied", "edited", "unreadable", "repaired", "moved")
_FILES, _MOVED = compared("files"), compared("moved")


def counts_of(kinds: bool) -> str:
    """A query of how many files met with each change between the runs $first and $second.

    Without `kinds` (the runs' ids mean different things) none is `moved`.
    """
    return f"SELECT change, count(*) AS n_files FROM ({_both(kinds)}) GROUP BY change"


def count_changes(lake: Lake, first: str, second: str, kinds: bool = True) -> dict[str, int]:
    """How many files met with each of CHANGES between two runs; of those that none did, 0."""
    found = lake.execute(counts_of(kinds), {"first": first, "second": second}).fetchall()
    return dict.fromkeys(CHANGES, 0) | dict(found)


def changed_files(
    lake: Lake, first: str, second: str, kinds: bool = True
) -> duckdb.DuckDBPyConnection:
    """A row for each of those files: change, path, old_path, from_id, from_name, to_id, to_name.

    Without `kinds` (the runs' ids mean different things) none is `moved`.
    """
    shown = "SELECT change, path, old_path, from_id, from_name, to_id, to_name"
    query = f"{shown} FROM ({_both(kinds)}) ORDER BY change, path, key"
    return lake.execute(query, {"first": first, "second": second})


def some_of(change: str) -> str:
    """A query of the files that met with one of CHANGES between the runs $first and $second.

    A row for each: change, path, old_path, key, from_id, from_name, to_id, to_name.
    """
    columns = "change, path, old_path, key, from_id, from_name, to_id, to_name"
    if change == "moved":
        return (
            f"SELECT {columns} FROM (SELECT 'moved' AS change, NULL AS old_path, * FROM ({_MOVED}))"
        )
    nothing = "NULL AS from_id, NULL AS from_name, NULL AS to_id, NULL AS to_name"
    return f"SELECT {columns} FROM (SELECT *, {nothing} FROM ({_FILES}) WHERE change = $change)"


def _both(kinds: bool) -> str:
    moved = f"SELECT 'moved' AS change, * FROM ({_MOVED})"
    limit = "" if kinds else " LIMIT 0"
    return f"(FROM ({_FILES})) UNION ALL BY NAME ({moved}{limit})"
