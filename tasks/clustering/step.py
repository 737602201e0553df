"""Partition: k-means on the fused vectors gives every image a cluster and a distance."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.lineage import LineageConfig
from sortal.configs.schema import PartitionConfig
from sortal.storage.artifacts import Artifact, Written, read_manifest
from sortal.storage.rows import FloatArray
from sortal.storage.vector_sets import open_file_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.clustering.kmeans import KMeansResult, kmeans
from sortal.tasks.step import optional, step

log = logging.getLogger("sortal")


def assignments_table(keys: list[str], result: KMeansResult) -> pa.Table:
    """Arrow table with key, cluster (int32) and distance (float32, cosine, to the own centre)."""
    return pa.table(
        {
            "key": pa.array(keys, pa.string()),
            "cluster": pa.array(result.labels, pa.int32()),
            "distance": pa.array(result.distances, pa.float32()),
        }
    )


def cluster_facts(result: KMeansResult) -> dict[str, object]:
    """JSON-able figures of a partition: inertia, iterations, reseeded clusters and sizes."""
    sizes = np.bincount(result.labels, minlength=len(result.centres))
    return {
        "inertia": result.inertia,
        "n_iter": result.n_iter,
        "n_empty": result.n_empty,
        "n_fit": result.n_fit,
        "sizes": sizes.tolist(),
    }


def _centres(
    workspace: Workspace, earlier: Artifact | None, shape: tuple[int, int]
) -> FloatArray | None:
    path = earlier.file(workspace, "centres.npy") if earlier else None
    if path is None or not path.exists():
        return None
    centres: FloatArray = np.load(path)
    return centres if centres.shape == shape else None


def _settled(workspace: Workspace, earlier: Artifact) -> float:
    """The inertia of an image when cold starts were last tried; unknown: 0, so they are now."""
    manifest = read_manifest(earlier.folder(workspace)) or {"artifact": {"facts": {}}}
    return float(manifest["artifact"]["facts"].get("settled", 0.0))


class WarmStart(NamedTuple):
    """How a fit from earlier centres ended, and what is remembered for the next one.

    `warm`: whether it was taken; `tried_cold`: whether cold starts were tried beside it;
    `settled`: the inertia of an image when they last were.
    """

    result: KMeansResult
    warm: bool
    tried_cold: bool
    settled: float


def fit_warm(
    fit: Callable[..., KMeansResult],
    centres: FloatArray,
    settled: float,
    drifted: bool,
    config: LineageConfig,
) -> WarmStart:
    """k-means from `centres`, and from cold starts too where a new kind may have come.

    Lloyd's iterations move centres a little: a kind that arrives after they have settled is
    shared out among old clusters, however large it grows. It raises the inertia of an image above
    `settled`, or has texts chosen anew (`drifted`). Of both fits the lower inertia is taken; the
    cold one must be lower by `cold_gain`, for optima that are as good are no reason to move.
    """
    result = fit(centres=centres)
    each = result.inertia / max(len(result.labels), 1)
    if not drifted and each <= settled * (1 + config.inertia_rise):
        return WarmStart(result, True, False, settled)
    cold = fit()
    gain = 1 - cold.inertia / result.inertia if result.inertia else 0.0
    taken = gain > config.cold_gain
    log.info(
        "k-means: cold starts were tried too and %s (inertia %+.1f %%)",
        "the best is taken" if taken else "the earlier centres kept",
        -100 * gain,
    )
    best = cold if taken else result
    return WarmStart(best, not taken, True, best.inertia / max(len(best.labels), 1))


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

    Cluster ids go by decreasing size. With `earlier`, a partition into as many clusters of as
    many dimensions, k-means starts from its centres and they keep their ids, unless `fit_warm`
    finds better ones. Raises `UsageError` when `n_clusters` is more than the images that differ.
    """
    rows = open_file_vectors(workspace, inputs.vectors)
    fit = partial(
        kmeans,
        rows,
        inputs.n_clusters,
        spherical=inputs.config.spherical,
        n_init=inputs.config.n_init,
        max_iter=inputs.config.max_iter,
        random_state=inputs.random_state,
        engine=inputs.config.engine,
    )
    start = _centres(workspace, inputs.earlier, (inputs.n_clusters, rows.shape[1]))
    if start is None or inputs.earlier is None:
        cold = fit()
        found = WarmStart(cold, False, False, cold.inertia / max(len(cold.labels), 1))
    else:
        settled = _settled(workspace, inputs.earlier)
        found = fit_warm(
            fit, start, settled, bool(inputs.drifted), inputs.lineage or LineageConfig()
        )
    keys = rows.keys
    pq.write_table(assignments_table(keys, found.result), folder / "assignments.parquet")
    np.save(folder / "centres.npy", found.result.centres)
    told = {"warm": found.warm, "tried_cold": found.tried_cold, "settled": found.settled}
    return Written(rows=len(keys), facts={**cluster_facts(found.result), **told})
