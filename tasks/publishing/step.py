"""Commit: publish a finished run into the lake, completely or not at all.

Rows go from the artifacts' Parquet files into the lake inside DuckDB; none passes through Python.
"""

import json
import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet as pq
from pydantic import AwareDatetime, BaseModel

from sortal.configs.schema import RunConfig
from sortal.configs.section import Runtime, identity_of
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.atomic import put_json
from sortal.storage.collections.known import bind
from sortal.storage.hashing import fingerprint
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.lease import fence
from sortal.storage.lake.run_row import RunRow, series_of
from sortal.storage.lake.sql import sql
from sortal.storage.workspace import Workspace
from sortal.tasks.publishing.rows import (
    RunParts,
    caption_files,
    captions_of,
    cost_of,
    files_of,
    lineage_of,
    others_of,
    places_of,
    step_metrics,
    tables_of,
)
from sortal.tasks.publishing.variant import variant_of
from sortal.tasks.step import optional, step

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


@dataclass(frozen=True, kw_only=True)
class CommitInputs:
    """Inputs of `commit`."""

    config: RunConfig
    encoder_fingerprint: str
    scan: Artifact
    images: Artifact
    fused: Artifact
    partition: Artifact
    names: Artifact
    metrics: list[Artifact]
    steps: dict[str, Artifact]
    lineage: Artifact | None = None
    labels_used: bool = False
    clock: Clock | None = None
    supervision: str | None = optional()

    @property
    def parts(self) -> RunParts:
        """The artifacts whose files become rows."""
        names = ("scan", "images", "fused", "partition", "names", "lineage")
        return RunParts(*(getattr(self, name) for name in names))

    @property
    def identities(self) -> list[str]:
        """What makes a run another run, besides its settings and encoder."""
        *parts, lineage = self.parts
        made_of = [*parts, *self.metrics, lineage]
        return [part.identity for part in made_of if part]


@step("run", CommitInputs, version=1, check=_in_lake)
def commit(folder: Path, workspace: Workspace, inputs: CommitInputs) -> Written:
    """Publish the run and write `run.json`: its row in `runs` and its metrics.

    `steps` are the artifacts the run is made of, by role: their costs and numeric facts become
    metrics, and the table `artifacts` says where they are.
    `lineage` gives clusters the names and ids they keep; without it, names are the run's own.
    `labels_used` marks a run that saw labels or class names, `supervision` says which; views that
    compare methods leave it out.
    Facts: run_id, n_images, n_failed, metrics (what evaluation wrote). What the lake already
    holds, from a run that was cut off after publishing, keeps its id.
    """
    files = files_of(workspace, inputs.parts) | caption_files(workspace, inputs.steps)
    scores = _scores(workspace, inputs.metrics)
    figures = {**scores, **step_metrics(inputs.steps)}
    with Lake(workspace) as lake:
        row = row_of(inputs, *_count(lake, files))
        tables = {**tables_of(row, files, figures), "artifacts": places_of(row, inputs.steps)}
        tables |= lineage_of(row, files, inputs.lineage) | captions_of(row, files)
        tables |= others_of(workspace, row, inputs.steps)
        row["run_id"] = lake.publish(
            row,
            tables,
            fence=lambda: _fence(workspace, row, inputs.clock),
            bind=lambda it: bind(
                it, workspace, row["collection"], inputs.config.source, row["source"]
            ),
        )
    times = {name: f"{row[name]}+00:00" for name in ("started_at", "finished_at")}  # type: ignore[literal-required]
    put_json(folder / "run.json", {**row, **times, "metrics": figures})
    facts = {name: row[name] for name in ("run_id", "n_images", "n_failed")}  # type: ignore[literal-required]
    return Written(rows=row["n_images"], facts={**facts, "metrics": scores})


def row_of(inputs: CommitInputs, n_images: int, n_failed: int) -> RunRow:
    """The run's row in `runs`: a column is filled here, named in `RunRow`, made in the schema."""
    config, finished = inputs.config, datetime.now(UTC)
    started = inputs.clock.started_at.astimezone(UTC) if inputs.clock else finished
    settings = identity_of(config)
    key = fingerprint("run", settings, inputs.encoder_fingerprint, inputs.identities)
    return {
        "run_id": f"{started:%Y%m%d-%H%M%S}-{key[:6]}",
        "fingerprint": key,
        "collection": config.collection_name,
        "scan": inputs.scan.identity,
        "source": redact(config.source),
        "method": config.method_name,
        "encoder": config.encoder.spec,
        "encoder_fingerprint": inputs.encoder_fingerprint,
        "n_clusters": inputs.partition.facts.get("n_clusters", config.n_clusters),
        "n_images": n_images,
        "n_failed": n_failed,
        "random_state": config.random_state,
        "config": redact(json.dumps(settings, sort_keys=True, ensure_ascii=False)),
        "started_at": started.replace(tzinfo=None),
        "finished_at": finished.replace(tzinfo=None),
        "seconds": sum(cost_of(part, "seconds") for part in inputs.steps.values()),
        "wall_seconds": (finished - started).total_seconds(),
        "sortal_version": version("sortal"),
        "labels_used": inputs.labels_used,
        "protocol": config.protocol,
        "series": _series(inputs, key),
        "variant": variant_of(config),
        "criterion": config.by,
        "vocabulary": Path(config.nouns.vocabulary).name if config.nouns.vocabulary else None,
        "supervision": inputs.supervision,
    }


def _series(inputs: CommitInputs, key: str) -> str:
    """The series of a run; one that stands alone has one of its own, as have its pinned names."""
    config = inputs.config
    series = series_of(
        config.collection_name,
        config.method_name,
        config.encoder.spec,
        inputs.encoder_fingerprint,
        config.random_state,
        config.source,
        config.by,
    )
    return series if config.lineage.enabled else f"{series} {key}"


def _fence(workspace: Workspace, row: RunRow, clock: Clock | None) -> AbstractContextManager[None]:
    held = clock and clock.lease
    return fence(workspace, row["collection"], held) if held else nullcontext()


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
