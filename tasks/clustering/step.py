"""Partition: every image gets a cluster and a distance, from the fused vectors."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.lineage import LineageConfig
from sortal.configs.partition import PartitionConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.rows import FloatArray, Rows
from sortal.storage.vector_sets import FileVectors, open_file_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import mean_of
from sortal.tasks.clustering.assignments import (
    ASSIGNMENTS,
    CENTRES,
    Labels,
    assignments_table,
    labels_of,
)
from sortal.tasks.clustering.density import density
from sortal.tasks.clustering.kmeans import KMeansResult, count_distinct, kmeans
from sortal.tasks.clustering.means import share_nearest_own
from sortal.tasks.clustering.spectral import spectral
from sortal.tasks.clustering.warm_start import FitOutcome, fit_cold, fit_warm, open_start
from sortal.tasks.corpora.space import space_texts
from sortal.tasks.step import optional, step

log = logging.getLogger("sortal")


@dataclass(frozen=True, kw_only=True)
class PartitionInputs:
    """Inputs of `partition`; `n_clusters` is 0 where the method finds how many there are."""

    vectors: Artifact
    config: PartitionConfig
    n_clusters: int
    random_state: int
    earlier: Artifact | None = optional()
    drifted: bool | None = optional()
    lineage: LineageConfig | None = optional()
    fitted: int | None = (
        optional()
    )  # images that k-means is fitted on; None: as many as fit in 2 GiB
    space: Artifact | None = optional()  # of the nouns by which images are joined
    centred: bool | None = optional()  # whether these lose their mean


@step("partition", PartitionInputs, version=2)
def partition(folder: Path, workspace: Workspace, inputs: PartitionInputs) -> Written:
    """Write `assignments.parquet` (key, cluster, distance) and `centres.npy` (n_clusters, dim).

    Cluster ids are by decreasing size, -1 for images in none; images that do not differ at all are
    one cluster. With `earlier`, a partition into as many clusters of as many dimensions, the fit
    starts from its centres, or of parts of a graph from its clusters, unless `fit_warm` finds
    better ones. By density, `members.npz` is what new images are placed by. Raises `UsageError`
    when `n_clusters` is more than the images that differ.
    """
    rows = open_file_vectors(workspace, inputs.vectors)
    dense = inputs.config.method == "density"
    ended = _by_density(folder, rows, inputs) if dense else _of_number(workspace, rows, inputs)
    result, keys = ended.result, rows.key_column
    table = assignments_table(keys, result.labels, result.distances)
    pq.write_table(table, folder / ASSIGNMENTS)
    np.save(folder / CENTRES, result.centres)
    facts = {**_figures(result), **ended.facts}
    if inputs.config.method != "kmeans":
        spherical = inputs.config.spherical
        facts["nearest_own"] = share_nearest_own(rows, result, spherical=spherical)
    if dense:
        n_kindless = int((result.labels < 0).sum())
        facts |= {"n_clusters": len(result.centres), "n_without_kind": n_kindless}
    return Written(rows=len(keys), facts=facts)


def _of_number(workspace: Workspace, rows: FileVectors, inputs: PartitionInputs) -> FitOutcome:
    """A partition into `n_clusters`, from an earlier one where that is as good."""
    n_clusters, config, seed = inputs.n_clusters, inputs.config, inputs.random_state

    def fit(centres: FloatArray | None) -> KMeansResult:
        if rows.shape[0] >= n_clusters and count_distinct(rows, 2) < 2:
            return _one_cluster(rows, n_clusters)
        if config.method == "spectral":
            known = None if centres is None else _known(workspace, inputs.earlier, rows.key_column)
            texts = (
                space_texts(workspace, inputs.space, bool(inputs.centred))[0]
                if inputs.space
                else None
            )
            return spectral(rows, n_clusters, config, random_state=seed, known=known, texts=texts)
        return kmeans(
            rows,
            n_clusters,
            config,
            random_state=seed,
            centres=centres,
            max_rows=inputs.fitted,
        )

    start = open_start(workspace, inputs.earlier, (n_clusters, rows.shape[1]))
    if start is None:
        return fit_cold(fit)
    lineage = inputs.lineage or LineageConfig()
    return fit_warm(fit, start, bool(inputs.drifted), lineage)


def _by_density(folder: Path, rows: FileVectors, inputs: PartitionInputs) -> FitOutcome:
    """A partition into as many clusters as are dense; nothing of an earlier one is read."""
    result, members = density(rows, inputs.config, random_state=inputs.random_state)
    members.write(folder)
    return FitOutcome(result, False, False, 0.0)


def _known(workspace: Workspace, earlier: Artifact | None, keys: pa.ChunkedArray) -> Labels | None:
    """The cluster (n,) of each image in the partition `earlier`; -1 where it has none."""
    if earlier is None:
        return None
    table = pq.read_table(earlier.file(workspace, ASSIGNMENTS), columns=["key", "cluster"])
    return labels_of(keys, table).astype(np.int32)


def _one_cluster(rows: Rows, n_clusters: int) -> KMeansResult:
    """All rows in the first of `n_clusters` clusters, where they do not differ at all."""
    log.warning("no image differs from another in its vector: all of them are one cluster")
    n_rows = rows.shape[0]
    centres = np.repeat(mean_of(rows)[None], n_clusters, axis=0)
    labels, distances = np.zeros(n_rows, np.int32), np.zeros(n_rows, np.float32)
    return KMeansResult(centres, labels, distances, 0.0, n_iter=0, n_empty=0, n_fit=n_rows)


def _figures(result: KMeansResult) -> dict[str, object]:
    """JSON-able figures of a partition: inertia, iterations, reseeded clusters and sizes.

    And, of a fit on a sample, by what share an image's inertia is more than one's in the sample.
    """
    inside = result.labels[result.labels >= 0]
    sizes = np.bincount(inside, minlength=len(result.centres))
    fitted, n_rows = result.fit_inertia / max(result.n_fit, 1), len(result.labels)
    sampled = result.n_fit < n_rows and fitted > 0
    return {
        **({"inertia_gap": result.inertia / n_rows / fitted - 1} if sampled else {}),
        "inertia": result.inertia,
        "n_iter": result.n_iter,
        "n_empty": result.n_empty,
        "n_fit": result.n_fit,
        "sizes": sizes.tolist(),
    }
