"""Pruning: what the rules delete is deleted whole, and what they keep is untouched."""

from datetime import UTC, datetime, timedelta

import pytest

from lakes import count, run_row, tables
from sortal.configs.errors import UsageError
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.schema import RUN_TABLES, SCAN_TABLES
from sortal.storage.maintenance.prune import PruneRules, prunable, prune


@pytest.fixture
def history(quoted):
    """Two series of five nightly runs, each on a scan of its own, and a run in another collection.

    The series `cae` and `kmeans` share their scans.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    with Lake(quoted) as lake:
        for night in range(5):
            for number, method in ((night, "cae"), (night + 10, "kmeans")):
                finished = now - timedelta(days=9 - night)
                row = run_row(number, method=method, random_state=0, scan=f"scan-{night}")
                row |= {"finished_at": finished}
                lake.publish(row, tables(row))
        old = {"finished_at": now - timedelta(days=99)}
        other = run_row(99, collection="birds", scan="scan-0", **old)
        lake.publish(other, tables(other))
        for table in ("looks", "quality_flags", "near_duplicates", "map_points", "looked"):
            have = {row[0] for row in lake.execute(f"DESCRIBE {table}").fetchall()}
            said = {"encoder_fingerprint": "'e' AS encoder_fingerprint", "step": "'map' AS step"}
            columns = ["scan", "collection", *(["key"] if "key" in have else [])]
            columns += [text for name, text in said.items() if name in have]
            query = f"SELECT DISTINCT {', '.join(columns)} FROM images"
            lake.execute(f"INSERT INTO {table} BY NAME {query}")
        yield lake


def ids(lake: Lake, table: str = "runs") -> set[str]:
    return {run for (run,) in lake.execute(f"SELECT DISTINCT run_id FROM {table}").fetchall()}


def test_the_newest_of_each_series_stay_and_the_rest_go_whole(history):
    before = {table: count(history, table) for table in RUN_TABLES}
    gone = prune(history, PruneRules(keep_last=2))
    assert {run["run_id"] for run in gone} == {f"run-{n:04}" for n in (0, 1, 2, 10, 11, 12)}
    kept = {f"run-{n:04}" for n in (3, 4, 13, 14, 99)}
    assert ids(history) == kept
    for table, rows in before.items():
        assert ids(history, table) <= kept, table
        assert count(history, table) == rows * 5 // 11, table


def test_scans_go_with_their_last_run_in_their_collection(history):
    prune(history, PruneRules(keep_last=2))
    for table in SCAN_TABLES:
        left = history.execute(f"SELECT DISTINCT collection, scan FROM {table}").fetchall()
        assert set(left) == {("pets", "scan-3"), ("pets", "scan-4"), ("birds", "scan-0")}


def test_a_run_is_deleted_only_if_every_rule_allows_it(history):
    def chosen(**rules):
        return {run["run_id"] for run in prunable(history, PruneRules(**rules))}

    assert chosen(older_than=7.5) == {f"run-{n:04}" for n in (0, 1, 10, 11)}
    assert chosen(older_than=7.5, keep_last=4) == {"run-0000", "run-0010"}
    assert chosen(older_than=0) == chosen(keep_last=1)
    assert chosen(older_than=0, collection="birds") == set()
    assert chosen(keep_last=5) == set()


def test_what_a_kept_run_was_compared_with_stays(history):
    for night in range(1, 5):
        history.execute(
            "INSERT INTO lineage BY NAME SELECT $r AS run_id, $p AS previous_run_id,"
            " 1 AS stable_id, 'same' AS event",
            {"r": f"run-{night:04}", "p": f"run-{night - 1:04}"},
        )
    gone = prune(history, PruneRules(keep_last=2))
    assert [run["run_id"] for run in gone if run["method"] == "cae"] == ["run-0000", "run-0001"]
    assert not {"run-0000", "run-0001"} & ids(history, "lineage")


def test_what_is_kept_answers_as_before_and_pruning_again_does_nothing(history):
    def shown():
        query = "FROM latest_assignments ORDER BY collection, path"
        return history.query(query).to_pylist(), history.query("FROM leaderboard").to_pylist()

    before = shown()
    assert prune(history, PruneRules(keep_last=1))
    assert shown() == before
    assert prune(history, PruneRules(keep_last=1)) == []


@pytest.mark.parametrize(
    "rules", [{}, {"keep_last": 0}, {"older_than": -1.0}, {"older_than": float("nan")}]
)
def test_pruning_without_a_sound_rule_is_refused(rules):
    with pytest.raises(UsageError):
        PruneRules(**rules)
