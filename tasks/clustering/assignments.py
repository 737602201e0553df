"""The table of assignments: which cluster each image is in, and how far from its centre."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def labels_of(keys: pa.Array | pa.ChunkedArray, assignments: pa.Table) -> NDArray[np.int64]:
    """Cluster of each key, of shape (len(keys),); -1 where it has none."""
    places = pc.index_in(keys, value_set=assignments["key"].combine_chunks())
    labels = assignments["cluster"].take(places)
    return pc.fill_null(labels, -1).to_numpy().astype(np.int64)
