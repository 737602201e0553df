"""A run whose previous run is deleted is compared with the one before; its ids and names stay."""

import json
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from sortal.configs.lineage import LineageConfig
from sortal.storage.artifacts import Artifact, Written, publish
from sortal.storage.hashing import fingerprint
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import Select, sql
from sortal.storage.workspace import Workspace
from sortal.tasks.lineage.matching import Before, events
from sortal.tasks.lineage.step import facts_of, table_of, writers_of
from sortal.tasks.publishing.rows import step_metrics

_METRIC = "INSERT INTO metrics VALUES ($run, $name, $value)"
_ARTIFACT = "SELECT fingerprint FROM artifacts WHERE run_id = $run AND role = 'lineage'"
_WARM = "SELECT max(value) FROM metrics WHERE run_id = $run AND name = 'lineage.warm'"


def compare(workspace: Workspace, lake: Lake, run_id: str, before: str | None) -> Artifact:
    """A new lineage of a run, by which it follows `before`; None: it is the first.

    A cluster continues the one of its stable id. Facts as of `trace`, and `relinked`.
    """
    config = lake.execute("SELECT config FROM runs WHERE run_id = $run", {"run": run_id}).fetchone()
    settings = LineageConfig(**json.loads((config or ("{}",))[0]).get("lineage", {}))
    past = lake.query(sql("lineage/before"), {"run": before})
    present = lake.query(sql("lineage/before"), {"run": run_id})
    known, ids = past["stable_id"].to_numpy(), present["stable_id"].to_numpy()
    shared = np.zeros((len(known), len(ids)), dtype=np.int64)
    rows = {cluster: row for row, cluster in enumerate(past["cluster"].to_pylist())}
    columns = {cluster: column for column, cluster in enumerate(present["cluster"].to_pylist())}
    cells = lake.execute(sql("lineage/shared_runs"), {"first": before, "second": run_id})
    for first, second, n_images in cells.fetchall():
        shared[rows[first], columns[second]] = n_images
    row_of = {int(stable): row for row, stable in enumerate(known)}
    partner = np.array([row_of.get(int(stable), -1) for stable in ids], dtype=np.int64)
    sizes = present["size"].to_numpy()
    found = events(shared, partner, Before(known, past["size"].to_numpy()), sizes, ids, settings)
    names = dict(zip(known.tolist(), past["name"].to_pylist(), strict=True))
    table = table_of(found, present["name"].to_pylist(), names, writers_of(present))
    facts = {"previous": before, "relinked": True, **facts_of(found, int(shared.sum()))}
    return _write(workspace, lake, run_id, table, facts)


def _write(
    workspace: Workspace, lake: Lake, run_id: str, table: Any, facts: dict[str, Any]
) -> Artifact:
    def body(folder: Any) -> Written:
        pq.write_table(table, folder / "lineage.parquet")
        return Written(rows=len(table), facts=facts | {"warm": bool(warm and warm[0])})

    warm = lake.execute(_WARM, {"run": run_id}).fetchone()
    old = lake.execute(_ARTIFACT, {"run": run_id}).fetchone()
    key = fingerprint("relinked", old, run_id, facts["previous"])
    return publish(workspace, "lineage", key, body)


def relink(lake: Lake, workspace: Workspace, run_id: str, lineage: Artifact) -> None:
    """Put that lineage in the place of the run's own, for use inside `transact`."""
    run = {"run": run_id}
    file = str(lineage.file(workspace, "lineage.parquet"))
    place = {"run_id": run_id, "previous": lineage.facts["previous"], "lineage": file}
    lake.execute("DELETE FROM lineage WHERE run_id = $run", run)
    lake.append("lineage", Select(sql("commit/lineage"), place))
    lake.execute(
        sql("lineage/relink"),
        run | {"fingerprint": lineage.fingerprint, "identity": lineage.identity},
    )
    lake.execute("DELETE FROM metrics WHERE run_id = $run AND starts_with(name, 'lineage.')", run)
    for name, value in step_metrics({"lineage": lineage}).items():
        if name.startswith("lineage."):
            lake.execute(_METRIC, run | {"name": name, "value": value})
