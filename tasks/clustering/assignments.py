"""The files of a partition: which cluster each image is in and how far from its centre; centres.

An image that is in no cluster has the cluster -1 (`NO_KIND`), here and in the lake.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray
from sortal.storage.vectors import key_column

ASSIGNMENTS = "assignments.parquet"
CENTRES = "centres.npy"
NO_KIND = -1  # the cluster, and in the lake the id, of images that are in none

Labels = NDArray[np.int32]


def assignments_table(
    keys: Sequence[str] | pa.ChunkedArray,
    labels: NDArray[np.integer],
    distances: FloatArray,
    probabilities: FloatArray | None = None,
) -> pa.Table:
    """Arrow table with key, cluster (int32) and distance (float32, cosine, to the own centre).

    And probability (float32) of the own cluster, where the method knows it.
    """
    columns = {
        "key": key_column(keys),
        "cluster": pa.array(labels, pa.int32()),
        "distance": pa.array(distances, pa.float32()),
    }
    if probabilities is not None:
        columns["probability"] = pa.array(probabilities, pa.float32())
    return pa.table(columns)


def labels_of(keys: pa.Array | pa.ChunkedArray, assignments: pa.Table) -> NDArray[np.int64]:
    """Cluster of each key, of shape (len(keys),); -1 where it has none."""
    places = pc.index_in(keys, value_set=assignments["key"].combine_chunks())
    labels = assignments["cluster"].take(places)
    return pc.fill_null(labels, -1).to_numpy().astype(np.int64)
