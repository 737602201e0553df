"""Pruning: old runs are deleted by rule, with every row of theirs, in one transaction."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sortal.configs.errors import UsageError
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.schema import RUN_TABLES, SCAN_TABLES
from sortal.storage.lake.sql import sql


@dataclass(frozen=True)
class PruneRules:
    """Which past runs are deleted: those that every rule given allows to.

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
        """Values for `operations/prunable.sql`."""
        age = None if self.older_than is None else timedelta(days=self.older_than)
        before = None if age is None else (datetime.now(UTC) - age).replace(tzinfo=None)
        keep = self.keep_last or 1
        return {"keep_last": keep, "before": before, "collection": self.collection}


def prunable(lake: Lake, rules: PruneRules) -> list[dict[str, Any]]:
    """The runs that the rules would delete, oldest first."""
    return lake.query(sql("operations/prunable"), rules.bound()).to_pylist()


def prune(lake: Lake, rules: PruneRules) -> list[dict[str, Any]]:
    """Delete those runs, their rows in all RUN_TABLES, and scans that no run refers to any more.

    Returns the deleted runs. Files shrink later: when the snapshots that hold the rows expire.
    """

    def work() -> list[dict[str, Any]]:
        # Chosen inside the transaction: a run published meanwhile makes it start over.
        deleted = prunable(lake, rules)
        if deleted:
            lake.mark()
            ids = [run["run_id"] for run in deleted]
            for table in (*RUN_TABLES, "runs"):
                lake.execute(
                    f"DELETE FROM {table} WHERE run_id IN (SELECT unnest($runs))", {"runs": ids}
                )
            for collection in sorted({run["collection"] for run in deleted}):
                _delete_scans(lake, collection, deleted)
        return deleted

    return lake.transact(work)


def delete_rows(lake: Lake, run: dict[str, Any]) -> None:
    """Delete one run (a row of `operations/alone.sql`) with what it alone needs, in `transact`."""
    for table in (*RUN_TABLES, "runs"):
        lake.execute(f"DELETE FROM {table} WHERE run_id = $run", {"run": run["run_id"]})
    _delete_scans(lake, run["collection"], [run])
    for table in ("pins", "marks"):
        for each in run[table]:
            place = {"series": run["series"], "id": each["id"]}
            lake.execute(f"DELETE FROM {table} WHERE series = $series AND stable_id = $id", place)
    if run["is_the_last"]:
        name = {"name": run["collection"]}
        lake.execute("DELETE FROM collections WHERE collection = $name", name)


def _delete_scans(lake: Lake, collection: str, deleted: list[dict[str, Any]]) -> None:
    kept = lake.execute("SELECT DISTINCT scan FROM runs WHERE collection = $c", {"c": collection})
    candidates = {run["scan"] for run in deleted if run["collection"] == collection}
    scans = sorted(candidates - {scan for (scan,) in kept.fetchall()})
    for table in SCAN_TABLES if scans else ():
        lake.execute(
            f"DELETE FROM {table} WHERE collection = $c AND scan IN (SELECT unnest($scans))",
            {"c": collection, "scans": scans},
        )
