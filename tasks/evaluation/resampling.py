"""Figures on resampled images: the bootstrap that says how much hangs on which images there are.

An image's weight in a resample depends on its key alone, so that all runs of a collection, by
whatever method, are measured on the same resamples and their differences are paired.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import xxhash
from numpy.typing import ArrayLike, NDArray

from sortal.tasks.evaluation.agreement import accuracy, ari, nmi

FIGURES = {"acc": accuracy, "nmi": nmi, "ari": ari}
_STEP = np.uint64(0x9E3779B97F4A7C15)  # of the numbers that resamples are drawn by (splitmix64)
_POISSON = np.cumsum(np.exp(-1.0) / np.cumprod([1.0, *range(1, 18)]))  # P(X <= 0), P(X <= 1), ...


def resampled(
    keys: Sequence[str], labels: ArrayLike, clusters: ArrayLike, resamples: int
) -> Iterator[tuple[int, str, float]]:
    """(resample, figure, value) of FIGURES for every resample, from 0 on.

    `keys`, `labels` and `clusters` have one entry an image. Each image counts as often as a draw
    of Poisson(1) by its key says (the Poisson bootstrap of Chamandy et al., 2012). Memory is O(N).
    """
    rows, row_of = np.unique(np.asarray(labels), return_inverse=True)
    columns, column_of = np.unique(np.asarray(clusters), return_inverse=True)
    shape = len(rows), len(columns)
    cells = row_of.astype(np.int64) * shape[1] + column_of
    places = np.fromiter(map(_place, keys), np.uint64, len(keys))
    for number in range(resamples):
        weights = _draws(places, number)
        counts = np.bincount(cells, weights, shape[0] * shape[1]).astype(np.int64).reshape(shape)
        kept = counts[counts.any(axis=1)][:, counts.any(axis=0)]
        if kept.size:
            yield from ((number, name, figure(kept)) for name, figure in FIGURES.items())


def _place(key: str) -> int:
    return xxhash.xxh3_64_intdigest(key.encode("utf-8", "surrogatepass"))


def _draws(places: NDArray[np.uint64], number: int) -> NDArray[np.int64]:
    """A draw of Poisson(1) for each image (n,), the same for an image wherever it stands."""
    with np.errstate(over="ignore"):
        mixed = places + _STEP * np.uint64(number + 1)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    uniform = ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return np.searchsorted(_POISSON, uniform, side="right")
