"""Where k-means starts: greedy k-means++ improved by swaps, in a small projection of a sample.

A projection on the leading directions keeps what separates clusters at a fraction of the cost,
so that many seedings can be tried; the fit then continues in all dimensions.
"""

from typing import Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray
from sortal.tasks.clustering.lloyd import TOL, Lloyd, means_of

ROWS = 16384  # rows on which seedings are tried, at the least ...
ROWS_PER_CENTRE = 16  # ... and for each centre
DIM = 64  # dimensions of the projection
_MAX_ITER = 100  # iterations in the projection; the fit continues from there
_SWAP_TRIALS = 8  # rows drawn for each attempt at a swap


class Picked(Protocol):
    """Rows of which some can be had by their numbers, ascending; an array is one."""

    def __len__(self) -> int:
        """How many rows there are."""

    def __getitem__(self, numbers: NDArray[np.int64], /) -> FloatArray:
        """Some of the rows."""


def best_seeding(
    data: Picked, n_clusters: int, n_init: int, rng: np.random.Generator
) -> FloatArray:
    """Centres of shape (n_clusters, dim) to start from: the best of `n_init` seedings of `data`.

    All are seeded on one sample; the better half is improved by swaps and Lloyd's iterations,
    and the one of the lowest inertia wins.
    """
    size = min(len(data), max(ROWS, ROWS_PER_CENTRE * n_clusters))
    numbers = np.arange(size)
    if size < len(data):
        numbers = np.sort(rng.choice(len(data), size, replace=False))
    sample = data[numbers]
    small = project(sample, DIM, rng)
    seeded = [seed_centres(small, n_clusters, child) for child in rng.spawn(n_init)]
    seeded.sort(key=lambda centres: float(faiss.knn(small, centres, 1)[0].sum(dtype=np.float64)))
    runs = []
    for centres in seeded[: (n_init + 1) // 2]:
        run = Lloyd(small, swap_centres(small, centres, rng), spherical=False)
        run.run(_MAX_ITER, TOL)
        runs.append(run)
    best = min(runs, key=lambda run: run.inertia)
    return means_of(sample, best.labels, n_clusters)


def project(data: FloatArray, dim: int, rng: np.random.Generator) -> FloatArray:
    """`data` (n, d) on its `dim` leading directions, found by randomised subspace iteration."""
    if data.shape[1] <= dim:
        return data
    basis = rng.standard_normal((data.shape[1], dim), dtype=np.float32)
    for _ in range(3):
        basis = np.linalg.qr(data.T @ (data @ basis))[0]
    return np.ascontiguousarray(data @ basis)


def seed_centres(data: FloatArray, n_clusters: int, rng: np.random.Generator) -> FloatArray:
    """Greedy k-means++ (Arthur and Vassilvitskii, 2007) over `data` of shape (n, dim).

    Each new centre is the best of 2 + log(n_clusters) rows drawn with probability proportional
    to the squared distance from the centres so far.
    """
    trials = 2 + int(np.log(n_clusters))
    norms = np.einsum("nd,nd->n", data, data)
    chosen = np.full(n_clusters, rng.integers(len(data)))
    closest = _squared(data, norms, chosen[:1])[0]
    for count in range(1, n_clusters):
        closest[chosen[:count]] = 0.0
        draws = _draw(closest, trials, rng)
        candidates = np.minimum(_squared(data, norms, draws), closest)
        best = int(candidates.sum(axis=1).argmin())
        chosen[count] = draws[best]
        closest = candidates[best]
    return data[chosen]


def swap_centres(data: FloatArray, centres: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Local search by single swaps (Lattanzi and Sohler, 2019): n_clusters / 2 + 10 attempts.

    Each attempt draws 8 rows like k-means++ and puts the best in the place of the centre
    that is missed least, where that lowers the inertia.
    """
    centres, norms = centres.copy(), np.einsum("nd,nd->n", data, data)
    squared, ids = faiss.knn(data, centres, 2)
    for _ in range(len(centres) // 2 + 10):
        draws = _draw(squared[:, 0], _SWAP_TRIALS, rng)
        proposed = _squared(data, norms, draws)
        costs = [_swap_cost(squared, ids, distance, len(centres)) for distance in proposed]
        best = int(np.argmin([cost for cost, _ in costs]))
        cost, replaced = costs[best]
        if cost < squared[:, 0].sum(dtype=np.float64) * (1 - 1e-6):
            centres[replaced] = data[draws[best]]
            _swap(data, centres, replaced, proposed[best], squared, ids)
    return centres


def _swap_cost(
    squared: FloatArray, ids: NDArray[np.int64], distance: FloatArray, n_clusters: int
) -> tuple[float, int]:
    """Inertia with a new centre at `distance` (n,) and without the centre missed least."""
    kept = np.minimum(squared[:, 0], distance)
    lost = np.minimum(squared[:, 1], distance) - kept
    missed = np.bincount(ids[:, 0], weights=lost, minlength=n_clusters)
    replaced = int(missed.argmin())
    return float(kept.sum(dtype=np.float64) + missed[replaced]), replaced


def _swap(
    data: FloatArray,
    centres: FloatArray,
    replaced: int,
    distance: FloatArray,
    squared: FloatArray,
    ids: NDArray[np.int64],
) -> None:
    """Update the two nearest centres of every row after centre `replaced` has moved."""
    stale = np.flatnonzero((ids == replaced).any(axis=1))
    first = distance < squared[:, 0]
    second = ~first & (distance < squared[:, 1])
    squared[first, 1], ids[first, 1] = squared[first, 0], ids[first, 0]
    squared[first, 0], ids[first, 0] = distance[first], replaced
    squared[second, 1], ids[second, 1] = distance[second], replaced
    if len(stale):
        squared[stale], ids[stale] = faiss.knn(data[stale], centres, 2)


def _squared(data: FloatArray, norms: FloatArray, rows: NDArray[np.int64]) -> FloatArray:
    """Squared distances of shape (len(rows), n) from some rows to all."""
    distances = norms[rows][:, None] + norms - 2.0 * (data[rows] @ data.T)
    return np.maximum(distances, 0.0)


def _draw(weight: FloatArray, trials: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows drawn in proportion to `weight`; any rows where all weights are 0."""
    total = weight.cumsum(dtype=np.float64)
    if total[-1] <= 0:
        return rng.integers(len(weight), size=trials)
    draws = np.searchsorted(total, rng.random(trials) * total[-1], side="right")
    return np.minimum(draws, len(weight) - 1)
