"""Partition: k-means on the fused vectors gives every image a cluster and a distance."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from configs.schema import PartitionConfig
from storage.artifacts import Artifact, Written
from storage.rows import FloatArray
from storage.vectors import FileVectors
from storage.workspace import Workspace
from tasks.kmeans import KMeansResult, kmeans
from tasks.step import step


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


@step("partition", version=1)
def partition(
    folder: Path,
    workspace: Workspace,
    *,
    vectors: Artifact,
    config: PartitionConfig,
    n_clusters: int,
    random_state: int,
    earlier: Artifact | None = None,
) -> Written:
    """Write `assignments.parquet` (key, cluster, distance) and `centres.npy` (n_clusters, dim).

    Cluster ids go by decreasing size. With `earlier`, a partition into as many clusters of as
    many dimensions, k-means starts from its centres and they keep their ids.
    Raises `UsageError` when `n_clusters` is more than the images that differ.
    """
    files = sorted(vectors.folder(workspace).glob("vectors-*.parquet"))
    rows = FileVectors(files)
    start = _centres(workspace, earlier, (n_clusters, rows.shape[1]))
    result = kmeans(
        rows,
        n_clusters,
        spherical=config.spherical,
        n_init=config.n_init,
        max_iter=config.max_iter,
        random_state=random_state,
        engine=config.engine,
        centres=start,
    )
    keys = [
        key for file in files for key in pq.read_table(file, columns=["key"])["key"].to_pylist()
    ]
    pq.write_table(assignments_table(keys, result), folder / "assignments.parquet")
    np.save(folder / "centres.npy", result.centres)
    return Written(rows=len(keys), facts={**cluster_facts(result), "warm": start is not None})
