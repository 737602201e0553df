"""Values of some rows of a listing each, as one value for every row."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def merged(pieces: list[tuple[NDArray[np.int64], pa.Array]], count: int) -> pa.Array:
    """One string a row of the listing: of several, the first that is not null."""
    where = np.full(count, -1, dtype=np.int64)
    start = 0
    for rows, values in pieces:
        fresh = (where[rows] < 0) & pc.is_valid(values).to_numpy(zero_copy_only=False)
        where[rows[fresh]] = start + np.flatnonzero(fresh)
        start += len(values)
    every = pa.concat_arrays([pa.array([], pa.string()), *(values for _, values in pieces)])
    return every.take(pa.array(where, mask=where < 0))
