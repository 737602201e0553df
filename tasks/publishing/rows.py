"""The rows of a run by table of the lake, from the files of its artifacts."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from sortal.storage.artifacts import Artifact
from sortal.storage.lake.run_row import RunRow
from sortal.storage.lake.sql import Select, sql
from sortal.storage.workspace import Workspace
from sortal.tasks.captioning.caption import TEXTS_FILE
from sortal.tasks.choose.decide import CANDIDATES
from sortal.tasks.clustering.assignments import ASSIGNMENTS
from sortal.tasks.count.curve import CURVE
from sortal.tasks.evaluation.step import RESAMPLED
from sortal.tasks.heads.outputs import PER_IMAGE
from sortal.tasks.kinds.step import NODES
from sortal.tasks.writing.step import WRITTEN

_AS_THEY_ARE = (  # tables that hold the file of a step as it is; of two steps, the later's
    ("candidate_scores", "choice", CANDIDATES),
    ("candidate_scores", "way", CANDIDATES),
    ("count_scores", "count", CURVE),
    ("cluster_nodes", "tree", NODES),
    ("resampled", "resampled", RESAMPLED),
    ("written_names", "names", WRITTEN),
)
COSTS = ("seconds", "cpu_seconds", "peak_mb")


class RunParts(NamedTuple):
    """The artifacts of a run whose files become rows of the lake."""

    scan: Artifact
    images: Artifact
    fused: Artifact
    partition: Artifact
    names: Artifact
    lineage: Artifact | None


def files_of(workspace: Workspace, parts: RunParts) -> dict[str, str]:
    """The artifacts' Parquet files that rows of the lake come from, by name."""
    scan, images, fused, partition, names, lineage = parts
    named = lineage.file(workspace, "lineage.parquet") if lineage else None
    return {
        "images": str(scan.file(workspace, "images.parquet")),
        "undecodable": str(images.file(workspace, "failures.parquet")),
        "assignments": str(partition.file(workspace, ASSIGNMENTS)),
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
    named = {"clusters": files["clusters"], "named": files["named"], "series": row["series"]}
    named["terms"] = files["terms"]
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


def caption_role(roles: Iterable[str]) -> str | None:
    """The role of the images' captions: those a captioner wrote, or the one column that is read."""
    every = sorted(roles)
    columns = [role for role in every if role.startswith("view.") and role.endswith(".texts")]
    if "image_captions" in every:
        return "image_captions"
    return columns[0] if len(columns) == 1 else None


def caption_files(workspace: Workspace, steps: dict[str, Artifact]) -> dict[str, str]:
    """The files of the images' captions and of their weights, by name; nothing without captions."""
    role = caption_role(steps)
    if role is None:
        return {}
    captions, trained = steps[role], steps.get("train.partition", steps.get("partition"))
    texts = captions.file(workspace, TEXTS_FILE)
    weights = trained.file(workspace, PER_IMAGE) if trained else texts
    return {"captions": str(texts), "per_image": str(weights if weights.exists() else texts)}


def captions_of(row: RunRow, files: dict[str, str]) -> dict[str, Select]:
    """The rows of the images' captions, for a run that read them."""
    if "captions" not in files:
        return {}
    values = {"captions": files["captions"], "weights": files["per_image"]}
    return {
        "image_captions": Select(sql("commit/image_captions"), {"run_id": row["run_id"], **values})
    }


def others_of(workspace: Workspace, row: RunRow, steps: dict[str, Artifact]) -> dict[str, Select]:
    """The rows that a file of a step holds as they are, for a run that has them."""
    return {
        table: Select(
            sql("commit/of_run"),
            {"run_id": row["run_id"], "file": str(steps[role].file(workspace, name))},
        )
        for table, role, name in _AS_THEY_ARE
        if role in steps and steps[role].file(workspace, name).exists()
    }


def places_of(row: RunRow, steps: dict[str, Artifact]) -> pa.Table:
    """The rows of `artifacts`: where the run's artifacts are, by role, and what each cost."""
    named = [{"role": role, **dict(part)} for role, part in steps.items()]
    costs = {name: [cost_of(part, name) for part in steps.values()] for name in COSTS}
    words = ("role", "kind", "fingerprint", "identity")
    return pa.table(
        {
            "run_id": pa.array([row["run_id"]] * len(steps), pa.string()),
            **{word: pa.array([part[word] for part in named], pa.string()) for word in words},
            "n_rows": pa.array([part.rows for part in steps.values()], pa.int64()),
            **{name: pa.array(values, pa.float64()) for name, values in costs.items()},
        }
    )


def step_metrics(steps: dict[str, Artifact]) -> dict[str, float]:
    """Costs and numeric facts by role: `seconds.<role>`, `peak_mb.<role>`, `<role>.<fact>`.

    `steps` are artifacts by their role in the run, such as `noun.transport`. True is 1, False 0.
    """
    figures: dict[str, float] = {}
    for role, part in steps.items():
        figures[f"seconds.{role}"] = cost_of(part, "seconds")
        figures[f"peak_mb.{role}"] = cost_of(part, "peak_mb")
        facts = {key: value for key, value in part.facts.items() if key != "cost"}
        own = facts.get(role.rpartition(".")[2])  # a modality's facts are under its name
        figures |= {
            f"{role}.{key}": value
            for key, value in _numbers(own if isinstance(own, dict) else facts)
        }
    return figures


def cost_of(part: Artifact, name: str) -> float:
    """A figure of what an artifact cost (see COSTS); 0 where it is not known."""
    return float(part.facts.get("cost", {}).get(name, 0.0))


def _numbers(facts: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in facts.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{inner}", number) for inner, number in _numbers(value))
        elif isinstance(value, int | float) and math.isfinite(value):
            yield key, float(value)
