"""Partition: k-means on the fused vectors gives every image a cluster and a distance."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from sortal.configs.lineage import LineageConfig
from sortal.configs.schema import PartitionConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.rows import FloatArray
from sortal.storage.vector_sets import open_file_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.clustering.assignments import ASSIGNMENTS, CENTRES, assignments_table
from sortal.tasks.clustering.kmeans import KMeansResult, kmeans
from sortal.tasks.clustering.warm_start import fit_cold, fit_warm, open_start
from sortal.tasks.step import optional, step


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

    Cluster ids are by decreasing size. With `earlier`, a partition into as many clusters of as
    many dimensions, k-means starts from its centres and they keep their ids, unless `fit_warm`
    finds better ones. Raises `UsageError` when `n_clusters` is more than the images that differ.
    """
    rows, n_clusters = open_file_vectors(workspace, inputs.vectors), inputs.n_clusters

    def fit(centres: FloatArray | None) -> KMeansResult:
        seed = inputs.random_state
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
