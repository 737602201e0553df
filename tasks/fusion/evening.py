"""Evening: the leading directions of vectors, with their spread half-way to being equal.

A few directions of a space hold most of its spread, seldom those that tell kinds apart. Whitening
makes all alike, and noise as loud as what matters; half of it, by a fourth root, lies between.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sortal.storage.rows import FloatArray, Rows
from sortal.tasks.arrays import normalise

EVENING = "evening.npz"
_BLOCK = 16384
_POWER = -0.25  # of a direction's variance: 0 leaves it, -0.5 whitens
_LEAST = 1e-9  # variance below which a direction is rounding


@dataclass(frozen=True)
class Evening:
    """`mean` (d,) is subtracted, then `matrix` (d, p) applied; rows come out of unit length."""

    mean: FloatArray
    matrix: FloatArray

    def __call__(self, block: FloatArray) -> FloatArray:
        """Vectors (b, p) of vectors (b, d)."""
        out: FloatArray = np.matmul(block - self.mean, self.matrix)
        return normalise(out)

    def save(self, path: Path) -> None:
        """Write it to `path`."""
        np.savez(path, mean=self.mean, matrix=self.matrix)

    @classmethod
    def load(cls, path: Path) -> "Evening":
        """What `save` wrote."""
        with np.load(path) as file:
            return cls(file["mean"], file["matrix"])


def fit_evening(rows: Rows, count: int) -> Evening:
    """The `count` leading directions of `rows` (n, d), in one streamed pass.

    Fewer where there are not so many dimensions, or less than three rows for each.
    """
    n_rows, dim = rows.shape
    total, products = np.zeros(dim), np.zeros((dim, dim))
    for block in rows.blocks(_BLOCK):
        total += block.sum(axis=0, dtype=np.float64)
        products += block.T @ block
    mean = total / n_rows
    spread, directions = np.linalg.eigh(products / n_rows - np.outer(mean, mean))
    kept = max(min(count, dim, n_rows // 3), 1)
    leading = directions[:, ::-1][:, :kept] * np.maximum(spread[::-1][:kept], _LEAST) ** _POWER
    return Evening(mean.astype(np.float32), leading.astype(np.float32))
