"""The lake's files: small ones are merged, old snapshots expire, unused files are deleted.

DuckLake does the work; every statement is a transaction of its own, safe while runs go on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sortal.storage.lake.lake import Lake
from sortal.storage.lake.retry import retry

_MERGED = "64MB"  # a query reads all of the footer of a file: at 512 MB it takes twice as long
_REWRITE = "CALL ducklake_rewrite_data_files('lake', delete_threshold => 0.5)"
_EXPIRE = "CALL ducklake_expire_snapshots('lake', dry_run => $dry_run, older_than => $before)"
_UNUSED = "CALL ducklake_cleanup_old_files('lake', dry_run => $dry_run, older_than => $before)"
_ORPHANS = "CALL ducklake_delete_orphaned_files('lake', dry_run => $dry_run, older_than => $before)"


def expire_snapshots(lake: Lake, keep_days: float, dry_run: bool) -> int:
    """Forget snapshots older than `keep_days` (never the newest); returns how many.

    Time travel is lost, no row of a table is.
    """
    return len(_call(lake, _EXPIRE, keep_days, dry_run))


def merge_files(lake: Lake) -> int:
    """Write rows kept in the catalogue to files, merge small ones, rewrite what is half deleted.

    Returns how many files were replaced.
    """
    lake.execute("SET ducklake_target_file_size = ?", [_MERGED])
    with _one_thread(lake):
        _done(lake, "ducklake_flush_inlined_data")
        merged = _done(lake, "ducklake_merge_adjacent_files")
        merged += retry(lambda: lake.query(_REWRITE)).to_pylist()
    return sum(int(each["files_processed"]) for each in merged)


@contextmanager
def _one_thread(lake: Lake) -> Iterator[None]:
    """DuckLake 1.0 that merges files in several threads corrupts its heap now and then."""
    lake.execute("SET threads = 1")
    try:
        yield
    finally:
        lake.execute("RESET threads")


def unused_files(lake: Lake, grace_days: float, dry_run: bool) -> list[str]:
    """Files of expired snapshots, unneeded for `grace_days`; removed unless `dry_run`."""
    return _paths(_call(lake, _UNUSED, grace_days, dry_run))


def orphaned_files(lake: Lake, grace_days: float, dry_run: bool) -> list[str]:
    """Files in the lake's folder that it knows nothing of, such as a killed commit's.

    Only those older than `grace_days`: a commit going on has files the lake will know of.
    """
    return _paths(_call(lake, _ORPHANS, grace_days, dry_run))


def _done(lake: Lake, function: str) -> list[dict[str, Any]]:
    return retry(lambda: lake.query(f"CALL {function}('lake')")).to_pylist()


def _call(lake: Lake, statement: str, days: float, dry_run: bool) -> list[dict[str, Any]]:
    before = datetime.now(UTC) - timedelta(days=days)
    bound = {"dry_run": dry_run, "before": before}
    return retry(lambda: lake.query(statement, bound)).to_pylist()


def _paths(rows: list[dict[str, Any]]) -> list[str]:
    return [str(row["path"]) for row in rows]
