"""Small runs for tests of the lake."""

from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from sortal.storage.lake.extensions import load_extension
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.run_row import RunRow, series_of
from sortal.storage.lake.schema import RUN_TABLES, SCAN_TABLES
from sortal.storage.workspace import Workspace

EPOCH = datetime(2026, 1, 1)
# empty for so few runs
COMPARING = (
    "significance",
    "label_free",
    "label_free_rank",
    "costs",
    "beside_published",
    "ceilings",
    "candidates",
    "duplicates",
    "flagged_images",
    "latest_map",
    "cluster_counts",
)


def run_row(number: int = 0, **changes: Any) -> RunRow:
    """A run's row; runs of higher numbers finished later."""
    started = EPOCH + timedelta(minutes=number)
    row: RunRow = {
        "run_id": f"run-{number:04}",
        "fingerprint": f"fingerprint-{number}",
        "collection": "pets",
        "scan": "scan-1",
        "source": "pets/",
        "method": "cae",
        "encoder": "conse",
        "encoder_fingerprint": "e" * 32,
        "n_clusters": 2,
        "n_images": 4,
        "n_failed": 1,
        "random_state": number,
        "config": '{"nouns": {"fuse": true}, "transport": {"epsilon": 0.02}}',
        "started_at": started,
        "finished_at": started + timedelta(seconds=30),
        "seconds": 30.0,
        "wall_seconds": 30.0,
        "sortal_version": "0",
        "labels_used": False,
        "protocol": "whole",
        "series": "",
        "variant": None,
        "criterion": None,
        "vocabulary": None,
        "supervision": None,
    }
    row |= changes  # type: ignore[typeddict-item]
    return row | {"series": changes.get("series", series_of(**row))}  # type: ignore[return-value]


def images(row: RunRow, paths: list[str], labels: list[str | None]) -> pa.Table:
    """Images of a scan; the key of an image is `key of <path>`."""
    n = len(paths)
    return pa.table(
        {
            "scan": [row["scan"]] * n,
            "collection": [row["collection"]] * n,
            "path": pa.array(paths, pa.string()),
            "key": pa.array([f"key of {path}" for path in paths], pa.string()),
            "label": pa.array(labels, pa.string()),
            "status": ["ok"] * n,
        }
    )


def assignments(row: RunRow, paths: list[str], clusters: list[int]) -> pa.Table:
    """One assignment an image."""
    return pa.table(
        {
            "run_id": [row["run_id"]] * len(paths),
            "key": pa.array([f"key of {path}" for path in paths], pa.string()),
            "cluster": pa.array(clusters, pa.int32()),
            "distance": pa.array([0.25] * len(paths), pa.float32()),
        }
    )


def clusters(row: RunRow, names: list[str]) -> pa.Table:
    """One cluster a name, of two images each."""
    n = len(names)
    return pa.table(
        {
            "run_id": [row["run_id"]] * n,
            "cluster": pa.array(range(n), pa.int32()),
            "name": pa.array(names, pa.string()),
            "size": pa.array([2] * n, pa.int64()),
            "representatives": pa.array([["key of a.png", "key of b.png"]] * n),
        }
    )


def terms(row: RunRow, words: list[str]) -> pa.Table:
    """Nouns of cluster 0, best first."""
    n = len(words)
    return pa.table(
        {
            "run_id": [row["run_id"]] * n,
            "cluster": pa.array([0] * n, pa.int32()),
            "corpus": ["noun"] * n,
            "rank": pa.array(range(1, n + 1), pa.int32()),
            "term": pa.array(words, pa.string()),
        }
    )


def metrics(row: RunRow, **values: float) -> pa.Table:
    """One row a metric."""
    n = len(values)
    return pa.table(
        {"run_id": [row["run_id"]] * n, "name": list(values), "value": list(values.values())}
    )


def failures(row: RunRow, codes: dict[str, str]) -> pa.Table:
    """One failed image a path."""
    n = len(codes)
    return pa.table(
        {
            "scan": [row["scan"]] * n,
            "collection": [row["collection"]] * n,
            "path": list(codes),
            "error_code": list(codes.values()),
            "error": [f"is {code}" for code in codes.values()],
        }
    )


def tables(row: RunRow, acc: float = 0.75) -> dict[str, pa.Table]:
    """All tables of a small run of four good images and a bad one."""
    paths = ["a.png", "b.png", "c.png", "d.png"]
    return {
        "images": images(row, paths, ["cat", "cat", "dog", None]),
        "failures": failures(row, {"x.png": "truncated"}),
        "assignments": assignments(row, paths, [0, 0, 1, 1]),
        "clusters": clusters(row, ["cat", "dog"]),
        "cluster_terms": terms(row, ["cat", "kitten"]),
        "metrics": metrics(row, acc=acc, nmi=0.5, ari=0.25),
        "lineage": lineage(row, ["same", "grew"], f"run-{row['random_state'] - 1:04}"),
    }


def lineage(row: RunRow, events: list[str], previous: str | None = None) -> pa.Table:
    """Clusters 0, 1, ... with an event each, and stable ids from 10 on."""
    n = len(events)
    return pa.table(
        {
            "run_id": [row["run_id"]] * n,
            "previous_run_id": pa.array([previous] * n, pa.string()),
            "cluster": pa.array(range(n), pa.int32()),
            "stable_id": pa.array(range(10, 10 + n), pa.int64()),
            "event": events,
            "size": pa.array([2] * n, pa.int64()),
        }
    )


def count(lake: Lake, table: str) -> int:
    """Rows of a table of an open lake."""
    return lake.query(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py()


def counts(workspace: Workspace) -> dict[str, int]:
    """Rows of every table of a workspace's lake but `collections`."""
    with Lake(workspace, read_only=True) as lake:
        return {name: count(lake, name) for name in ("runs", *SCAN_TABLES, *RUN_TABLES)}


def plain_duckdb(workspace: Workspace) -> duckdb.DuckDBPyConnection:
    """A DuckDB that knows nothing of Sortal, with the lake attached."""
    connection = duckdb.connect()
    load_extension(connection, "sqlite_scanner")
    load_extension(connection, "ducklake")
    place = str(workspace.lake / "catalog.sqlite").replace("'", "''")
    connection.execute(f"ATTACH 'ducklake:sqlite:{place}' AS lake")
    return connection
