"""Two runs of a collection, file by file: what came, went, was renamed, or is of another kind."""

import duckdb

from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import compared

CHANGES = ("new", "gone", "renamed", "copied", "edited", "unreadable", "repaired", "moved")


def count_changes(lake: Lake, first: str, second: str, kinds: bool = True) -> dict[str, int]:
    """How many files met with each of CHANGES between two runs; of those that none did, 0."""
    query = f"SELECT change, count(*) AS n_files FROM ({_both(kinds)}) GROUP BY change"
    found = lake.execute(query, {"first": first, "second": second}).fetchall()
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


def _both(kinds: bool) -> str:
    moved = f"SELECT 'moved' AS change, * FROM ({compared('moved')})"
    limit = "" if kinds else " LIMIT 0"
    return f"(FROM ({compared('files')})) UNION ALL BY NAME ({moved}{limit})"
