"""Pruning: past runs leave the lake by policy, with every row of theirs, in one transaction."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sortal.configs.errors import UsageError
from sortal.storage.lake.lake import RUN_TABLES, SCAN_TABLES, Lake
from sortal.storage.lake.sql import sql


@dataclass(frozen=True)
class Policy:
    """Which past runs may go: those that every given rule lets go.

    A series is what the leaderboard takes for one: collection, encoder, method, number of
    clusters and seed. Of each, the `keep_last` newest stay (always at least the newest), and
    runs that finished less than `older_than` days ago, and the run that one which stays was
    compared with.
    """

    keep_last: int | None = None
    older_than: float | None = None
    collection: str | None = None

    def __post_init__(self) -> None:
        if self.keep_last is None and self.older_than is None:
            raise UsageError("pruning needs a rule: --keep-last N, --older-than DAYS or both")
        if self.keep_last is not None and self.keep_last < 1:
            raise UsageError(f"--keep-last must be at least 1, got {self.keep_last}")
        if self.older_than is not None and not 0 <= self.older_than < 1e6:
            raise UsageError(f"--older-than must be in [0, 1000000) days, got {self.older_than}")

    def bound(self) -> dict[str, Any]:
        """Values for `upkeep/prunable.sql`."""
        age = None if self.older_than is None else timedelta(days=self.older_than)
        before = None if age is None else (datetime.now(UTC) - age).replace(tzinfo=None)
        keep = self.keep_last or 1
        return {"keep_last": keep, "before": before, "collection": self.collection}


def prunable(lake: Lake, policy: Policy) -> list[dict[str, Any]]:
    """The runs that the policy lets go, oldest first."""
    return lake.query(sql("upkeep/prunable"), policy.bound()).to_pylist()


def prune(lake: Lake, policy: Policy) -> list[dict[str, Any]]:
    """Delete those runs, their rows in all RUN_TABLES, and scans that no run refers to any more.

    Returns the runs that went. Files shrink later: when the snapshots that hold the rows expire.
    """

    def work() -> list[dict[str, Any]]:
        # Chosen inside the transaction: a run published meanwhile makes it start over.
        gone = prunable(lake, policy)
        if gone:
            lake.mark()
            ids = [run["run_id"] for run in gone]
            for table in (*RUN_TABLES, "runs"):
                lake.execute(
                    f"DELETE FROM {table} WHERE run_id IN (SELECT unnest($runs))", {"runs": ids}
                )
            for collection in sorted({run["collection"] for run in gone}):
                _forget_scans(lake, collection, gone)
        return gone

    return lake.transact(work)


def _forget_scans(lake: Lake, collection: str, gone: list[dict[str, Any]]) -> None:
    kept = lake.execute("SELECT DISTINCT scan FROM runs WHERE collection = $c", {"c": collection})
    of_gone = {run["scan"] for run in gone if run["collection"] == collection}
    scans = sorted(of_gone - {scan for (scan,) in kept.fetchall()})
    for table in SCAN_TABLES if scans else ():
        lake.execute(
            f"DELETE FROM {table} WHERE collection = $c AND scan IN (SELECT unnest($scans))",
            {"c": collection, "scans": scans},
        )
