"""`sortal assign`: new images into the clusters of a run that is there, at once.

Plain functions: the steps are called without Prefect, and nothing is solved or fitted.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs import ENCODER
from sortal.configs.checks.unused import called
from sortal.configs.commands.assign import AssignConfig
from sortal.configs.encoder import EncoderSpec
from sortal.configs.errors import RunError, UsageError
from sortal.configs.evaluation import CountConfig
from sortal.configs.load import make_config
from sortal.configs.modalities import BUILT_IN
from sortal.configs.presets import preset_names
from sortal.configs.remote import without_secrets
from sortal.configs.schema import RunConfig
from sortal.storage.artifacts import Artifact, find
from sortal.storage.atomic import temporary_folder
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.placements import record
from sortal.storage.lake.run_row import RunRow
from sortal.storage.lake.runs import newest_run
from sortal.storage.rows import FloatArray
from sortal.storage.vector_sets import VectorSet, write_index
from sortal.storage.workspace import Workspace
from sortal.tasks.clustering.assignments import NO_KIND
from sortal.tasks.embedding.images import embed_missing, image_store
from sortal.tasks.embedding.model import PinnedEncoder
from sortal.tasks.embedding.readable import ImageFiles, readable_images
from sortal.tasks.encoders import vectors
from sortal.tasks.encoders.registry import describe
from sortal.tasks.encoders.vector_files import need
from sortal.tasks.placing.placer import (
    PLACED,
    Placer,
    check_dim,
    files_needed,
    open_placer,
    stored_blocks,
)
from sortal.tasks.progress import progress
from sortal.tasks.scan.step import scan, warn_of
from sortal.tasks.silence import doing
from sortal.tasks.sources.registry import open_source

log = logging.getLogger("sortal")

_UNTRACED = "SELECT cluster, name, cluster::BIGINT AS stable_id FROM clusters WHERE run_id = ?"
_CLUSTERS = "SELECT cluster, name, stable_id FROM cluster_names WHERE run_id = ?"


@dataclass(frozen=True)
class StoredRun:
    """A run as the lake knows it: its row, its settings, its clusters, its artifacts by role."""

    row: RunRow
    config: RunConfig
    clusters: pa.Table
    places: dict[str, dict[str, str]]

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self.row["run_id"])


def assign(
    workspace: Workspace,
    source: str,
    run: str | None = None,
    collection: str | None = None,
    settings: AssignConfig | None = None,
    keep: bool = True,
) -> tuple[StoredRun, pa.Table]:
    """Put the images of `source` into the clusters of a run (default: the newest).

    Returns the run and a row for every input, in the order of the source: path, key, cluster_id,
    name, distance, next_cluster_id, next_distance, threshold, unlike, status, error_code, and for
    joins stable_id (the same as cluster_id) and the run's own numbers cluster and next_cluster.
    `keep` also writes them to the lake's table `placements`.

    Raises UsageError for a run, source or encoder that cannot work, RunError when what the run
    stored is gone.
    """
    folder = EncoderSpec.parse(source).where
    if folder:
        need(folder, "images")
    source = str(folder) if folder else without_secrets(source)
    stored = load_run(workspace, run, collection)
    opened = open_source(source, workspace.root, stored.config.images)
    encoder_fits(stored, opened.vectors is not None, source)
    warn_of_modalities(stored)
    settings = settings or AssignConfig()
    doing("opening the run's kinds")
    placer = open_placer(workspace, artifacts(workspace, stored), stored.config, settings)
    images = stored.config.images.model_copy(update=settings.reading)
    doing(f"looking through {source}")
    found = scan(workspace, source=source, config=images)
    warn_of(found)
    inputs = pq.read_table(
        found.file(workspace, "images.parquet"), columns=["path", "key", "status", "error_code"]
    )
    failed: dict[str, str] = {}
    if opened.vectors:
        warn_of_unread(settings)
        check_dim(stored.config, vectors.dim_of(opened.vectors), placer)
        placed = place(placer, vectors.image_blocks(opened.vectors), inputs.num_rows)
    else:
        placed, failed = embed_and_place(workspace, stored, placer, found, source)
    rows = joined(inputs, placed, failed, stored.clusters)
    if keep:
        now = datetime.now(UTC).replace(tzinfo=None)
        record(workspace, stored.run_id, str(opened.location), rows, now)
    return stored, rows


def warn_of_unread(settings: AssignConfig) -> None:
    """Warn of what says how files are read, where vectors are given."""
    for name, value in settings.reading.items():
        if value:
            option = called(f"images.{name}")
            log.warning("%s has no effect: ready-made vectors are taken as they are", option)


def warn_of_modalities(run: StoredRun) -> None:
    """Warn where the run decides by modalities that new images are placed without."""
    by_head = run.config.head.method != "none"
    read = run.config.head.reads.deciding if by_head else run.config.fusion.modalities
    lacking = [name for name in read if name not in BUILT_IN]
    if lacking:
        log.warning(
            "run %s decides by %s too, which new images are placed without: some may lie elsewhere",
            run.run_id,
            " and ".join(lacking),
        )


def load_run(workspace: Workspace, run: str | None, collection: str | None) -> StoredRun:
    """The run of this id, or the newest (of a collection); raises UsageError when there is none."""
    doing("reading the run")
    with Lake(workspace, read_only=True) as lake:
        row = newest_run(lake, run, collection)
        run_id = [row["run_id"]]
        try:
            clusters = lake.query(_CLUSTERS, run_id)
        except duckdb.CatalogException:  # a lake that nothing has written to since lineage came
            clusters = lake.query(_UNTRACED, run_id)
        places = lake.query("SELECT * FROM artifacts WHERE run_id = ?", run_id).to_pylist()
    config = config_of(row)
    if config.partition.method == "density" and NO_KIND not in clusters["cluster"].to_pylist():
        clusters = pa.concat_tables([clusters, _kindless(clusters.schema)])
    return StoredRun(row, config, clusters, {place["role"]: place for place in places})


def _kindless(schema: pa.Schema) -> pa.Table:
    """What the lake says of images without a kind, for a run in which every image has one."""
    return pa.Table.from_pylist(
        [{"cluster": NO_KIND, "name": "no kind", "stable_id": NO_KIND}], schema=schema
    )


def config_of(row: RunRow) -> RunConfig:
    """The settings of a run in the lake; every one was written, so no method file is read."""
    values = json.loads(row["config"])
    if values.get("method") not in preset_names():
        values.pop("method", None)
    try:
        return make_config(values)
    except UsageError as error:
        rule = f"run {row['run_id']} was made by another version of Sortal"
        raise UsageError(
            f"{rule} ({error}); run `{command(row)}` again and assign to that"
        ) from error


def artifacts(workspace: Workspace, run: StoredRun) -> dict[str, Artifact]:
    """The artifacts that placing needs, by role; raises RunError when one is gone or damaged."""
    parts: dict[str, Artifact] = {}
    for role, files in files_needed(run.config).items():
        learnt = run.config.head.method != "none" and run.places.get(f"train.{role}")
        place = learnt or run.places.get(role)  # a head's own images, where it had a train split
        part = place and find(workspace, place["kind"], place["fingerprint"], only=files)
        if not part:
            raise RunError(
                f"the artifact {role} of run {run.run_id} must be in {workspace.root}, and is "
                f"gone or damaged; `{command(run.row)}` with the run's settings rebuilds it"
            )
        parts[role] = part
    return parts


def command(row: RunRow) -> str:
    """The command that made a run, but for its further settings."""
    encoder = "" if row["encoder"] == ENCODER else f" --encoder {row['encoder']}"
    found = json.loads(row["config"] or "{}").get("count")
    count = CountConfig(**found).words if found else row["n_clusters"]
    by = f" --by {row['criterion']}" if row.get("criterion") else ""
    return f"sortal cluster {row['source']} -k {count} --method {row['method']}{encoder}{by}"


def encoder_fits(run: StoredRun, ready: bool, source: str) -> None:
    """Refuse a source whose vectors would not be of the run's space; raises UsageError."""
    spec = run.config.encoder.spec
    if run.config.encoder.vectors:
        if not ready:
            raise UsageError(
                f"source must be a folder with *images*.parquet (key, vector) made by the model of "
                f"{spec}, since run {run.run_id} has ready-made vectors; got {source!r}"
            )
        return
    if ready:
        raise UsageError(
            f"source must hold images, since run {run.run_id} embeds them with {spec}; "
            f"got ready-made vectors in {source!r}"
        )
    if describe(spec).fingerprint != run.row["encoder_fingerprint"]:
        raise UsageError(
            f"encoder {spec} must be the one of run {run.run_id}, and its weights or preprocessing "
            f"differ here; make a new run with `{command(run.row)}`"
        )


def embed_and_place(
    workspace: Workspace, run: StoredRun, placer: Placer, found: Artifact, source: str
) -> tuple[pa.Table, dict[str, str]]:
    """Rows of the images that have vectors, embedded where missing; error codes of the others."""
    config, fingerprint = run.config, run.row["encoder_fingerprint"]
    table = readable_images(found.file(workspace, "images.parquet"))
    images = ImageFiles(table, source, config.images)
    bad = embed_missing(workspace, images, PinnedEncoder(config.encoder, fingerprint))
    keys = [key for key in images.keys if key not in bad]
    failed = {key: failure.error_code for key, failure in bad.items()}
    if not keys:
        return PLACED.empty_table(), failed
    store = image_store(workspace, fingerprint)
    with temporary_folder(store.folder / "index") as folder:
        write_index(folder, store, keys)
        return place(placer, stored_blocks(VectorSet(folder, store)), len(keys)), failed


def place(placer: Placer, blocks: Iterator[tuple[list[str], FloatArray]], total: int) -> pa.Table:
    """The rows of all blocks, with progress."""
    with progress("assigning", total, unit="images") as advance:

        def counted() -> Iterator[tuple[list[str], FloatArray]]:
            for keys, block in blocks:
                yield keys, block
                advance(len(keys))

        return placer.place_all(counted())


def joined(
    inputs: pa.Table, placed: pa.Table, failed: dict[str, str], clusters: pa.Table
) -> pa.Table:
    """One row an input, in its order: where it was placed, or why it was not."""
    row_of: dict[str, int] = {}
    for row, key in enumerate(placed["key"].to_pylist()):
        row_of.setdefault(key, row)
    keys = inputs["key"].to_pylist()
    ok = pc.equal(inputs["status"], "ok").to_pylist()
    where = pa.array(
        [row_of.get(key) if good else None for key, good in zip(keys, ok, strict=True)], pa.int64()
    )
    codes = [
        code or failed.get(key)
        for key, code in zip(keys, inputs["error_code"].to_pylist(), strict=True)
    ]
    found = placed.take(where)
    numbers = clusters["cluster"].combine_chunks()
    named, second = (
        clusters.take(pc.index_in(found[name], numbers)) for name in ("cluster", "next_cluster")
    )
    columns = {"path": inputs["path"], "key": inputs["key"], "cluster_id": named["stable_id"]}
    columns |= {"name": named["name"], "distance": found["distance"]}
    columns |= {"next_cluster_id": second["stable_id"], "next_distance": found["next_distance"]}
    columns |= {name: found[name] for name in ("threshold", "unlike")}
    columns["status"] = pc.if_else(pc.is_valid(where), "ok", "failed")
    columns["error_code"] = pa.array(codes, pa.string())
    columns |= {"stable_id": named["stable_id"]}
    columns |= {name: found[name] for name in ("cluster", "next_cluster")}
    return pa.table(columns)
