"""Partition: k-means on the fused vectors gives every image a cluster and a distance."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from sortal.configs.lineage import LineageConfig
from sortal.configs.schema import PartitionConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.rows import FloatArray, Rows
from sortal.storage.vector_sets import open_file_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import mean_of
from sortal.tasks.clustering.assignments import ASSIGNMENTS, CENTRES, assignments_table
from sortal.tasks.clustering.kmeans import KMeansResult, count_distinct, kmeans
from sortal.tasks.clustering.warm_start import fit_cold, fit_warm, open_start
from sortal.tasks.step import optional, step

log = logging.getLogger("sortal")


@dataclass(frozen=True, kw_only=True)
class PartitionInputs:
    """Inputs of `partition`."""

    vectors: Artifact
    config: PartitionConfig
    n_clusters: int
    random_state: int
    earlier: Artifact | None = optional()
    drifted: bool | None = optional()
    lineage: LineageConfig | None = optional()


@step("partition", PartitionInputs, version=2)
def partition(folder: Path, workspace: Workspace, inputs: PartitionInputs) -> Written:
    """Write `assignments.parquet` (key, cluster, distance) and `centres.npy` (n_clusters, dim).

    Cluster ids are by decreasing size; images that do not differ at all are one cluster. With
    `earlier`, a partition into as many clusters of as many dimensions, k-means starts from its
    centres and they keep their ids, unless `fit_warm` finds better ones. Raises `UsageError` when
    `n_clusters` is more than the images that differ.
    """
    rows, n_clusters = open_file_vectors(workspace, inputs.vectors), inputs.n_clusters

    def fit(centres: FloatArray | None) -> KMeansResult:
        seed = inputs.random_state
        if rows.shape[0] >= n_clusters and count_distinct(rows, 2) < 2:
            return _one_cluster(rows, n_clusters)
        return kmeans(rows, n_clusters, inputs.config, random_state=seed, centres=centres)

    start = open_start(workspace, inputs.earlier, (n_clusters, rows.shape[1]))
    if start is None:
        ended = fit_cold(fit)
    else:
        lineage = inputs.lineage or LineageConfig()
        ended = fit_warm(fit, start, bool(inputs.drifted), lineage)
    result, keys = ended.result, rows.keys
    table = assignments_table(keys, result.labels, result.distances)
    pq.write_table(table, folder / ASSIGNMENTS)
    np.save(folder / CENTRES, result.centres)
    return Written(rows=len(keys), facts={**_figures(result), **ended.facts})


def _one_cluster(rows: Rows, n_clusters: int) -> KMeansResult:
    """All rows in the first of `n_clusters` clusters, where they do not differ at all."""
    log.warning("no image differs from another in its vector: all of them are one cluster")
    n_rows = rows.shape[0]
    centres = np.repeat(mean_of(rows)[None], n_clusters, axis=0)
    labels, distances = np.zeros(n_rows, np.int32), np.zeros(n_rows, np.float32)
    return KMeansResult(centres, labels, distances, 0.0, n_iter=0, n_empty=0, n_fit=n_rows)


def _figures(result: KMeansResult) -> dict[str, object]:
    """JSON-able figures of a partition: inertia, iterations, reseeded clusters and sizes."""
    sizes = np.bincount(result.labels, minlength=len(result.centres))
    return {
        "inertia": result.inertia,
        "n_iter": result.n_iter,
        "n_empty": result.n_empty,
        "n_fit": result.n_fit,
        "sizes": sizes.tolist(),
    }
