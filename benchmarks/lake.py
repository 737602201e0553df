"""How fast the lake answers when it holds many runs: median of repeated queries, wall and CPU.

    python benchmarks/lake.py WORKSPACE --runs 1000 --images 50000

makes the lake if it is not there (through Lake.publish, resumable), then asks; `--maintain` first
does what `sortal maintain` comes to when everything is old enough. Made-up rows: no quality is
measured, only time. Nothing is cached between two queries of one connection but what DuckLake
itself keeps; `first` is the first query of a fresh connection.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

from sortal.storage.lake.lake import Lake
from sortal.storage.lake.run_row import RunRow
from sortal.storage.lake.sql import Select
from sortal.storage.maintenance.lake_files import expire_snapshots, merge_files, unused_files
from sortal.storage.workspace import Workspace

METHODS = ("cae", "kmeans", "tac-free", "cae-softmax", "cae-concat")
K = 10

IMAGES = """
SELECT
    $scan AS scan, $collection AS collection, 'photos/' || i || '.jpg' AS path,
    md5($collection || i) AS key, 'class ' || (i % 10) AS label, 32 AS width, 32 AS height,
    'jpeg' AS format, 1000 + i % 500 AS bytes, 'ok' AS status
FROM range($images) AS t(i)"""

ASSIGNMENTS = """
SELECT
    $run AS run_id, md5($collection || i) AS key, (hash(i, $number // 50) % 10)::INTEGER AS cluster,
    (hash(i, $number) % 1000 / 1000)::FLOAT AS distance, 0.5::FLOAT AS w_image,
    0.3::FLOAT AS w_noun, 0.2::FLOAT AS w_caption
FROM range($images) AS t(i)"""

CLUSTERS = """
SELECT
    $run AS run_id, i::INTEGER AS cluster, 'name ' || i AS name, ($images // 10)::BIGINT AS size,
    'a caption of some length' AS caption, 0.5::FLOAT AS mean_distance,
    [md5($collection || i)] AS representatives
FROM range(10) AS t(i)"""

LINEAGE = """
SELECT
    $run AS run_id, $previous AS previous_run_id, i::INTEGER AS cluster, i AS stable_id,
    'name ' || i AS name, 'grew' AS event, ($images // 10)::BIGINT AS size,
    ($images // 10 - 1)::BIGINT AS previous_size, ($images // 10 - 1)::BIGINT AS shared
FROM range(10) AS t(i)"""


def rows(number: int, options: argparse.Namespace) -> tuple[RunRow, dict[str, pa.Table | Select]]:
    """Run `number` and its tables; each round of methods and seeds shares a scan."""
    collection = f"collection-{number % options.collections:03}"
    finished = datetime(2026, 1, 1) + timedelta(hours=number)
    run = f"run-{number:05}"
    row: RunRow = {
        "run_id": run, "fingerprint": run, "collection": collection,
        "scan": f"scan-{number * options.scans // options.runs:05}", "source": "photos/",
        "method": METHODS[number // options.collections % len(METHODS)], "encoder": "conse",
        "encoder_fingerprint": "e" * 32, "n_clusters": K, "n_images": options.images,
        "n_failed": 0, "random_state": number // options.collections // len(METHODS) % 5,
        "config": '{"nouns": {"fuse": true}, "transport": {"epsilon": 0.02}}',
        "started_at": finished - timedelta(minutes=9), "finished_at": finished, "seconds": 540.0,
        "sortal_version": "0", "labels_used": False, "protocol": "whole",
    }  # fmt: skip
    place = {"scan": row["scan"], "collection": collection, "images": options.images}
    own = {"run": run, "collection": collection, "images": options.images}
    previous = number - options.collections * len(METHODS) * 5  # the same method and seed
    before = {"run": run, "images": options.images}
    before |= {"previous": f"run-{previous:05}" if previous >= 0 else None}
    scores = {"acc": 0.5, "nmi": 0.5, "ari": 0.4} | {f"seconds.step-{i}": 1.0 for i in range(60)}
    metrics = {"run_id": [run] * len(scores), "name": [*scores], "value": [*scores.values()]}
    return row, {
        "images": Select(IMAGES, place),
        "assignments": Select(ASSIGNMENTS, own | {"number": number}),
        "clusters": Select(CLUSTERS, own),
        "metrics": pa.table(metrics),
        "lineage": Select(LINEAGE, before),
    }


def build(workspace: Workspace, options: argparse.Namespace) -> None:
    """Publish the runs that the lake does not hold yet."""
    start = time.perf_counter()
    with Lake(workspace) as lake:
        have = (lake.execute("SELECT count(*) FROM runs").fetchone() or (0,))[0]
        for number in range(have, options.runs):
            lake.publish(*rows(number, options))
            if number % 100 == 99:
                print(f"{number + 1} runs, {time.perf_counter() - start:.0f} s", flush=True)
    n_files = sum(1 for _ in (workspace.lake / "data").rglob("*.parquet"))
    size = sum(path.stat().st_size for path in workspace.lake.rglob("*") if path.is_file())
    print(f"{options.runs} runs x {options.images} images: {n_files} files, {size / 1e6:.0f} MB")


def queries(lake: Lake) -> Iterator[tuple[str, str]]:
    """What a person asks, and the SQL."""
    yield "latest_runs", "FROM latest_runs"
    yield "leaderboard", "FROM leaderboard"
    one = "WHERE collection = 'collection-000'"
    yield (
        "latest: count by name",
        (f"SELECT name, count(*) FROM latest_assignments {one} GROUP BY ALL ORDER BY 2 DESC"),
    )
    yield (
        "latest: 20 farthest",
        (f"SELECT path, distance FROM latest_assignments {one} ORDER BY distance DESC LIMIT 20"),
    )
    yield (
        "latest: one cluster's paths",
        (f"SELECT path FROM latest_assignments {one} AND cluster = 3"),
    )
    yield "latest: every row", f"FROM latest_assignments {one}"
    yield "latest: count, all collections", "SELECT count(*) FROM latest_assignments"
    newest = "(SELECT run_id FROM latest_runs LIMIT 1)"
    yield "changes of the newest run", f"FROM changes WHERE run_id = {newest}"
    yield "changes, every run", "FROM changes"


def ask(workspace: Workspace, repeats: int) -> None:
    """Time each query: the first of a fresh connection, then the median of the rest."""
    print(f"{'query':32} {'rows':>6} {'first ms':>9} {'median ms':>9} {'CPU ms':>7}")
    with Lake(workspace, read_only=True) as lake:
        asked = list(queries(lake))
    for name, query in asked:
        with Lake(workspace, read_only=True) as lake:
            wall, cpu = [], []
            for _ in range(repeats + 1):
                start, used = time.perf_counter(), time.process_time()
                table = lake.query(query)
                wall.append((time.perf_counter() - start) * 1e3)
                cpu.append((time.process_time() - used) * 1e3)
        middle, used = statistics.median(wall[1:]), statistics.median(cpu[1:])
        print(f"{name:32} {table.num_rows:6} {wall[0]:9.1f} {middle:9.1f} {used:7.1f}", flush=True)


def main() -> None:
    """Build when needed, then ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--collections", type=int, default=1)
    parser.add_argument("--scans", type=int, default=200)
    parser.add_argument("--maintain", action="store_true")
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    workspace = Workspace(options.workspace).create()
    build(workspace, options)
    if options.maintain:
        with Lake(workspace) as lake:
            start = time.perf_counter()
            merged, gone = merge_files(lake), expire_snapshots(lake, 0, dry_run=False)
            unused_files(lake, 0, dry_run=False)
            took = time.perf_counter() - start
            print(f"{merged} files merged, {gone} snapshots forgotten, {took:.1f} s")
    ask(workspace, options.repeats)


if __name__ == "__main__":
    main()
