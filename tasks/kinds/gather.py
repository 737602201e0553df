"""Gathering: clusters become a few coarse kinds, nested from level to level (Ward, 1963).

Two kinds are joined whose joining adds least to the squared distances of images to their centres.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray

Groups = NDArray[np.int32]


def gathered(centres: FloatArray, sizes: NDArray[np.int64], counts: Sequence[int]) -> list[Groups]:
    """For each of `counts` (descending, below C) the kind (C,) of each of C clusters.

    `centres` (C, d) with `sizes` (C,) images each; kinds are numbered by decreasing size. An empty
    cluster counts as one image.
    """
    weights = np.maximum(sizes, 1).astype(np.float64)
    means = centres.astype(np.float64)
    of = np.arange(len(centres))
    found = []
    for count in counts:
        while len(weights) > count:
            one, other = _nearest(means, weights)
            joint = weights[one] + weights[other]
            means[one] = (means[one] * weights[one] + means[other] * weights[other]) / joint
            weights[one] = joint
            of = np.where(of == other, one, of)
            of = of - (of > other)
            means, weights = np.delete(means, other, axis=0), np.delete(weights, other)
        order = np.argsort(-np.bincount(of, weights=sizes, minlength=len(weights)), kind="stable")
        found.append(np.argsort(order)[of].astype(np.int32))
    return found


def _nearest(means: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[int, int]:
    """The two kinds (first < second) whose joining costs least: w w' / (w + w') |m - m'|^2."""
    norms = np.einsum("kd,kd->k", means, means)
    squared = np.maximum(norms[:, None] + norms - 2 * means @ means.T, 0.0)
    cost = squared * weights[:, None] * weights / (weights[:, None] + weights)
    cost[np.tril_indices(len(cost))] = np.inf
    first, second = np.unravel_index(int(cost.argmin()), cost.shape)
    return int(first), int(second)
