"""Commit: publish a finished run into the lake, whole or not at all.

Rows go from the artifacts' Parquet files into the lake inside DuckDB; none passes through Python.
"""

import json
import math
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import AwareDatetime, BaseModel

from configs.identity import Runtime, identity_of
from configs.schema import RunConfig
from storage.artifacts import Artifact, Written
from storage.atomic import write_json
from storage.hashing import fingerprint
from storage.lake import Lake, RunRow, Select, series_of, sql
from storage.lease import fence
from storage.workspace import Workspace
from tasks.step import step

COSTS = ("seconds", "cpu_seconds", "peak_mb")
PER_IMAGE = "per_image.parquet"  # what a trained head says of each image
_USERINFO = re.compile(r"(?<=://)([^/@\s:\"]*):[^/@\s\"]*@")


class Clock(BaseModel):
    """When a run began and the lease it holds, which never make a run a different run."""

    started_at: AwareDatetime = Runtime(...)
    lease: str | None = Runtime(None)


def redact(text: str) -> str:
    """`text` with the passwords of URLs (`scheme://user:password@host`) replaced by `***`."""
    return _USERINFO.sub(r"\1:***@", text)


def _in_lake(workspace: Workspace, artifact: Artifact) -> bool:
    with Lake(workspace) as lake:
        return lake.has_run(artifact.facts["run_id"])


@step("run", version=1, check=_in_lake)
def commit(
    folder: Path,
    workspace: Workspace,
    *,
    config: RunConfig,
    encoder_fingerprint: str,
    scan: Artifact,
    images: Artifact,
    fused: Artifact,
    partition: Artifact,
    names: Artifact,
    metrics: list[Artifact],
    steps: dict[str, Artifact],
    lineage: Artifact | None = None,
    labels_used: bool = False,
    clock: Clock | None = None,
) -> Written:
    """Publish the run and write `run.json`: its row in `runs` and its metrics.

    `steps` are the artifacts the run stands on, by role: their costs and numeric facts become
    metrics, and the table `artifacts` says where they are.
    `lineage` gives clusters the names and ids they keep; without it, names are the run's own.
    `labels_used` marks a method that saw labels; the views compare only the others.
    Facts: run_id, n_images, n_failed, metrics (what evaluation wrote). What the lake already
    holds, from a run that was cut off after publishing, keeps its id.
    """
    parts = [scan, images, fused, partition, names, *metrics, lineage]
    inputs = [part for part in parts if part]
    key = fingerprint(
        "run", identity_of(config), encoder_fingerprint, [part.identity for part in inputs]
    )
    finished = datetime.now(UTC)
    started = clock.started_at.astimezone(UTC) if clock else finished
    files = files_of(workspace, scan, images, fused, partition, names, lineage)
    files |= caption_files(workspace, steps)
    scores = _scores(workspace, metrics)
    with Lake(workspace) as lake:
        n_images, n_failed = _count(lake, files)
        row: RunRow = {
            "run_id": f"{started:%Y%m%d-%H%M%S}-{key[:6]}",
            "fingerprint": key,
            "collection": config.collection_name,
            "scan": scan.identity,
            "source": redact(config.source),
            "method": config.method_name,
            "encoder": config.encoder.spec,
            "encoder_fingerprint": encoder_fingerprint,
            "n_clusters": config.n_clusters,
            "n_images": n_images,
            "n_failed": n_failed,
            "random_state": config.random_state,
            "config": redact(json.dumps(identity_of(config), sort_keys=True, ensure_ascii=False)),
            "started_at": started.replace(tzinfo=None),
            "finished_at": finished.replace(tzinfo=None),
            "seconds": sum(_cost(part, "seconds") for part in steps.values()),
            "sortal_version": version("sortal"),
            "labels_used": labels_used,
            "protocol": config.protocol,
        }
        figures = {**scores, **step_metrics(list(steps.values()))}
        tables = {**tables_of(row, files, figures), "artifacts": _places(row, steps)}
        tables |= lineage_of(row, files, lineage) | captions_of(row, files)
        row["run_id"] = lake.publish(row, tables, lambda: _fence(workspace, row, clock))
    shown = {**row, "started_at": str(started), "finished_at": str(finished), "metrics": figures}
    write_json(folder / "run.json", shown)
    facts = {"run_id": row["run_id"], "n_images": n_images, "n_failed": n_failed}
    return Written(rows=n_images, facts={**facts, "metrics": scores})


def _fence(workspace: Workspace, row: RunRow, clock: Clock | None) -> AbstractContextManager[None]:
    held = clock and clock.lease
    return fence(workspace, row["collection"], held) if held else nullcontext()


def files_of(
    workspace: Workspace,
    scan: Artifact,
    images: Artifact,
    fused: Artifact,
    partition: Artifact,
    names: Artifact,
    lineage: Artifact | None,
) -> dict[str, str]:
    """The artifacts' Parquet files that rows of the lake come from, by name."""
    named = lineage.file(workspace, "lineage.parquet") if lineage else None
    return {
        "images": str(scan.file(workspace, "images.parquet")),
        "undecodable": str(images.file(workspace, "failures.parquet")),
        "assignments": str(partition.file(workspace, "assignments.parquet")),
        "history": str(partition.file(workspace, "history.parquet")),
        "weights": str(fused.file(workspace, "weights.parquet")),
        "clusters": str(names.file(workspace, "clusters.parquet")),
        "named": str(named or names.file(workspace, "clusters.parquet")),
        "terms": str(names.file(workspace, "terms.parquet")),
    }


def tables_of(
    row: RunRow, files: dict[str, str], figures: dict[str, float]
) -> dict[str, pa.Table | Select]:
    """The rows of a run by table; those of big tables as queries over `files`."""
    place = {"scan": row["scan"], "collection": row["collection"]}
    broken = {"images": files["images"], "undecodable": files["undecodable"]}
    run = {"run_id": row["run_id"]}
    joined = {"assignments": files["assignments"], "weights": files["weights"]}
    named = {"clusters": files["clusters"], "named": files["named"], "series": series_of(**row)}
    metrics = {
        "run_id": pa.array([row["run_id"]] * len(figures), pa.string()),
        "name": pa.array(list(figures), pa.string()),
        "value": pa.array(list(figures.values()), pa.float64()),
    }
    history = {"training": Select(sql("commit/training"), run | {"history": files["history"]})}
    return {
        **(history if Path(files["history"]).exists() else {}),  # only a trained head has one
        "images": Select(sql("commit/images"), place | broken),
        "failures": Select(sql("commit/failures"), place | broken),
        "assignments": Select(sql("commit/assignments"), run | joined),
        "clusters": Select(sql("commit/clusters"), run | named),
        "cluster_terms": Select(sql("commit/cluster_terms"), run | {"terms": files["terms"]}),
        "metrics": pa.table(metrics),
    }


def lineage_of(row: RunRow, files: dict[str, str], lineage: Artifact | None) -> dict[str, Select]:
    """The rows of what became of clusters, for a run that has an earlier one."""
    if lineage is None:
        return {}
    values = {"previous": lineage.facts["previous"], "lineage": files["named"]}
    return {"lineage": Select(sql("commit/lineage"), {"run_id": row["run_id"], **values})}


def caption_files(workspace: Workspace, steps: dict[str, Artifact]) -> dict[str, str]:
    """The files of the images' captions and of their weights, by name; nothing without captions."""
    captions, trained = (
        steps.get("image_captions"),
        steps.get("train.partition", steps.get("partition")),
    )
    if captions is None:
        return {}
    told = captions.file(workspace, "texts.parquet")
    weights = trained.file(workspace, PER_IMAGE) if trained else told
    return {"captions": str(told), "per_image": str(weights if weights.exists() else told)}


def captions_of(row: RunRow, files: dict[str, str]) -> dict[str, Select]:
    """The rows of the images' captions, for a run that read them."""
    if "captions" not in files:
        return {}
    values = {"captions": files["captions"], "weights": files["per_image"]}
    return {
        "image_captions": Select(sql("commit/image_captions"), {"run_id": row["run_id"], **values})
    }


def _places(row: RunRow, steps: dict[str, Artifact]) -> pa.Table:
    named = [{"role": role, **dict(part)} for role, part in steps.items()]
    costs = {name: [_cost(part, name) for part in steps.values()] for name in COSTS}
    words = ("role", "kind", "fingerprint", "identity")
    return pa.table(
        {
            "run_id": pa.array([row["run_id"]] * len(steps), pa.string()),
            **{word: pa.array([part[word] for part in named], pa.string()) for word in words},
            "n_rows": pa.array([part.rows for part in steps.values()], pa.int64()),
            **{name: pa.array(values, pa.float64()) for name, values in costs.items()},
        }
    )


def _count(lake: Lake, files: dict[str, str]) -> tuple[int, int]:
    chosen = {"images": files["images"], "undecodable": files["undecodable"]}
    ok, failed = lake.execute(sql("commit/counts"), chosen).fetchone() or (0, 0)
    return int(ok), int(failed)


def _scores(workspace: Workspace, metrics: list[Artifact]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for part in metrics:
        table = pq.read_table(part.file(workspace, "metrics.parquet"))
        scores |= zip(table["name"].to_pylist(), table["value"].to_pylist(), strict=True)
    return scores


def step_metrics(steps: list[Artifact]) -> dict[str, float]:
    """Costs and numeric facts of steps: `seconds.<step>`, `peak_mb.<step>`, `<step>.<fact>`.

    A step is called by its kind; the second of a kind is `<kind>-2`. True is 1 and False 0.
    """
    figures: dict[str, float] = {}
    seen: dict[str, int] = {}
    for part in steps:
        count = seen[part.kind] = seen.get(part.kind, 0) + 1
        name = part.kind if count == 1 else f"{part.kind}-{count}"
        figures[f"seconds.{name}"] = _cost(part, "seconds")
        figures[f"peak_mb.{name}"] = _cost(part, "peak_mb")
        rest = {key: value for key, value in part.facts.items() if key != "cost"}
        figures |= {f"{name}.{key}": value for key, value in _numbers(rest)}
    return figures


def _cost(part: Artifact, name: str) -> float:
    return float(part.facts.get("cost", {}).get(name, 0.0))


def _numbers(facts: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in facts.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{inner}", number) for inner, number in _numbers(value))
        elif isinstance(value, int | float) and math.isfinite(value):
            yield key, float(value)
