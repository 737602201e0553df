"""Arrays: unit rows, means, and centring: each modality loses its mean before a comparison.

Images and texts of a CLIP space live in two far-apart cones (the modality gap); with the means
gone, cosines compare what differs inside a modality.
"""

from collections.abc import Iterator

import numpy as np

from sortal.storage.rows import FloatArray, Rows, as_rows, is_stored, rows_between

_BLOCK = 16384
_CHUNK = 256  # rows that stay in a core's cache


def normalise(vectors: FloatArray) -> FloatArray:
    """Rows of shape (n, d) scaled to unit length; a zero row stays zero."""
    out = np.empty_like(vectors)
    for start in range(0, len(vectors), _CHUNK):
        rows = vectors[start : start + _CHUNK]
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        if not (norms > 0).all():
            out[start : start + _CHUNK] = 0
        np.divide(rows, norms, out=out[start : start + _CHUNK], where=norms > 0)
    return out


def mean_of(vectors: Rows | FloatArray) -> FloatArray:
    """Mean vector of shape (d,), accumulated in float64 in one streaming pass."""
    rows = as_rows(vectors)
    total = np.zeros(rows.shape[1])
    for block in rows.blocks(_BLOCK):
        total += block.sum(axis=0, dtype=np.float64)
    return (total / max(rows.shape[0], 1)).astype(np.float32)


def spread_of(vectors: Rows | FloatArray, mean: FloatArray) -> float:
    """Mean squared distance of the rows to their mean of shape (d,), in one streaming pass."""
    rows, total = as_rows(vectors), 0.0
    for block in rows.blocks(_BLOCK):
        total += float(np.square(block - mean).sum(dtype=np.float64))
    return total / max(rows.shape[0], 1)


def centre(vectors: FloatArray, mean: FloatArray | None) -> FloatArray:
    """`vectors` of shape (n, d) minus `mean`, renormalised; unchanged where `mean` is None."""
    return vectors if mean is None else normalise(vectors - mean)


class Centred:
    """`Rows` with a mean removed, block by block."""

    def __init__(self, rows: Rows | FloatArray, mean: FloatArray | None) -> None:
        self._rows = as_rows(rows)
        self._mean = mean

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, dim)."""
        return self._rows.shape

    @property
    def is_stored(self) -> bool:
        """Whether another process can read the rows by itself."""
        return is_stored(self._rows)

    def between(self, start: int, stop: int) -> "Centred":
        """The rows `start` to `stop`."""
        return Centred(rows_between(self._rows, start, stop), self._mean)

    def blocks(self, size: int) -> Iterator[FloatArray]:
        """Consecutive centred blocks of at most `size` rows."""
        for block in self._rows.blocks(size):
            yield centre(block, self._mean)
