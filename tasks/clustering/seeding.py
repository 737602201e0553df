"""Where k-means starts: greedy k-means++ improved by swaps, in a small projection of a sample.

A projection on the leading directions keeps what separates clusters at a fraction of the cost,
so that many seedings can be tried; the fit then continues in all dimensions.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

import faiss
import numpy as np
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray
from sortal.tasks.clustering.lloyd import TOL, Lloyd, few_threads, means_of

T = TypeVar("T")

TABLE = 4096  # so many rows or fewer have their distances in a table, of 64 MiB at the most
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


class Seeds:
    """Rows to seed, as `rows` (n, at most 64) in their projection; any number of fits may share it.

    The distances between few rows are computed at once, for all seedings.
    """

    def __init__(self, data: FloatArray, rng: np.random.Generator) -> None:
        self.rows = project(data, DIM, rng)
        self._norms = np.einsum("nd,nd->n", self.rows, self.rows)
        self._table = self._squared(self.rows, self._norms) if len(data) <= TABLE else None

    def squared(self, numbers: NDArray[np.int64]) -> FloatArray:
        """Squared distances of shape (len(numbers), n) from some rows to all; read only."""
        if self._table is not None:
            return self._table[numbers]
        return self._squared(self.rows[numbers], self._norms[numbers])

    def _squared(self, rows: FloatArray, norms: FloatArray) -> FloatArray:
        distances = rows @ self.rows.T
        distances *= -2.0
        distances += norms[:, None]
        distances += self._norms
        return np.maximum(distances, 0.0, out=distances)


def best_seeding(
    data: Picked, n_clusters: int, n_init: int, rng: np.random.Generator
) -> FloatArray:
    """Centres of shape (n_clusters, dim) to start from: the best of `n_init` seedings of `data`.

    All are seeded on one sample.
    """
    size = min(len(data), max(ROWS, ROWS_PER_CENTRE * n_clusters))
    numbers = np.arange(size)
    if size < len(data):
        numbers = np.sort(rng.choice(len(data), size, replace=False))
    sample = data[numbers]
    return best_start(sample, Seeds(sample, rng), n_clusters, n_init, rng)


def best_start(
    data: FloatArray, seeds: Seeds, n_clusters: int, n_init: int, rng: np.random.Generator
) -> FloatArray:
    """Centres (n_clusters, d) in `data` (n, d), whose rows `seeds` has: the best of `n_init`.

    The better half of the seedings is improved by swaps and Lloyd's iterations, and the one of the
    lowest inertia wins.
    """
    with _side_by_side() as each:
        seeded = each(lambda child: _seeded(seeds, n_clusters, child), rng.spawn(n_init))
        seeded.sort(key=lambda found: found[0])
        kept = [centres for _, centres in seeded[: (n_init + 1) // 2]]
        improved = [swap_centres(seeds, centres, rng) for centres in kept]
        runs = each(lambda centres: _settled(seeds.rows, centres), improved)
    best = min(runs, key=lambda run: run.inertia)
    return means_of(data, best.labels, n_clusters)


@contextmanager
def _side_by_side() -> Iterator[Callable[[Callable[[Any], T], Sequence[Any]], list[T]]]:
    """Maps on as many threads as faiss has, each of which computes on one: nothing waits inside.

    Threads that share a seeding meet at a barrier every few milliseconds, and spin there.
    """
    count = faiss.omp_get_max_threads()
    if count == 1:
        yield lambda work, items: list(map(work, items))
        return
    start = partial(faiss.omp_set_num_threads, 1)
    with few_threads(0), ThreadPoolExecutor(count, "seeding", start) as pool:
        yield lambda work, items: list(pool.map(work, items))


def _seeded(seeds: Seeds, n_clusters: int, rng: np.random.Generator) -> tuple[float, FloatArray]:
    """The inertia of a seeding, and its centres."""
    centres = seed_centres(seeds, n_clusters, rng)
    return float(faiss.knn(seeds.rows, centres, 1)[0].sum(dtype=np.float64)), centres


def _settled(data: FloatArray, centres: FloatArray) -> Lloyd:
    run = Lloyd(data, centres, spherical=False)
    run.run(_MAX_ITER, TOL)
    return run


def project(data: FloatArray, dim: int, rng: np.random.Generator) -> FloatArray:
    """`data` (n, d) on its `dim` leading directions, found by randomised subspace iteration."""
    if data.shape[1] <= dim:
        return data
    basis = rng.standard_normal((data.shape[1], dim), dtype=np.float32)
    for _ in range(3):
        basis = np.linalg.qr(data.T @ (data @ basis))[0]
    return np.ascontiguousarray(data @ basis)


def seed_centres(seeds: Seeds, n_clusters: int, rng: np.random.Generator) -> FloatArray:
    """Greedy k-means++ (Arthur and Vassilvitskii, 2007): `n_clusters` of the rows.

    Each new centre is the best of 2 + log(n_clusters) rows drawn with probability proportional
    to the squared distance from the centres so far.
    """
    trials = 2 + int(np.log(n_clusters))
    chosen = np.full(n_clusters, rng.integers(len(seeds.rows)))
    closest = seeds.squared(chosen[:1])[0]
    for count in range(1, n_clusters):
        closest[chosen[:count]] = 0.0
        draws = _draw(closest, trials, rng)
        candidates = np.minimum(seeds.squared(draws), closest)
        best = int(candidates.sum(axis=1).argmin())
        chosen[count] = draws[best]
        closest = candidates[best]
    return seeds.rows[chosen]


def swap_centres(seeds: Seeds, centres: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Local search by single swaps (Lattanzi and Sohler, 2019): n_clusters / 2 + 10 attempts.

    Each attempt draws 8 rows like k-means++ and puts the best in the place of the centre
    that is missed least, where that lowers the inertia.
    """
    centres = centres.copy()
    near = _TwoNearest(seeds.rows, centres)
    for _ in range(len(centres) // 2 + 10):
        draws = _draw(near.first, _SWAP_TRIALS, rng)
        proposed = seeds.squared(draws)
        costs, missed = near.costs(proposed)
        best = int(costs.argmin())
        if costs[best] < near.first.sum(dtype=np.float64) * (1 - 1e-6):
            replaced = int(missed[best])
            centres[replaced] = seeds.rows[draws[best]]
            near.swap(replaced, proposed[best])
    return centres


class _TwoNearest:
    """Of `rows` (n, d), the two nearest of `centres` (n_clusters, d), which the caller changes.

    `first` and `second` (n,) are squared distances, `ids` (2, n) which centres they are to.
    """

    def __init__(self, rows: FloatArray, centres: FloatArray) -> None:
        self._rows, self._centres = rows, centres
        squared, ids = faiss.knn(rows, centres, 2)
        self.first, self.second = np.ascontiguousarray(squared.T)
        self.ids = np.ascontiguousarray(ids.T)

    def costs(self, proposed: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Of new centres at distances `proposed` (m, n): inertia (m,), whose place each takes (m,).

        That is the centre which is missed least.
        """
        n_new, n_clusters = len(proposed), len(self._centres)
        kept = np.minimum(self.first, proposed)
        lost = np.minimum(self.second, proposed)
        lost -= kept
        cells = (self.ids[0] + n_clusters * np.arange(n_new)[:, None]).ravel()
        missed = np.bincount(cells, lost.ravel(), n_new * n_clusters).reshape(n_new, n_clusters)
        costs = kept.sum(axis=1, dtype=np.float64) + missed.min(axis=1)
        return costs, missed.argmin(axis=1)

    def swap(self, replaced: int, distance: FloatArray) -> None:
        """Follow centre `replaced`, which has moved to where rows are at `distance` (n,)."""
        stale = np.flatnonzero((self.ids[0] == replaced) | (self.ids[1] == replaced))
        nearer = distance < self.first
        second = np.flatnonzero(~nearer & (distance < self.second))
        first = np.flatnonzero(nearer)
        self.second[first], self.ids[1, first] = self.first[first], self.ids[0, first]
        self.first[first], self.ids[0, first] = distance[first], replaced
        self.second[second], self.ids[1, second] = distance[second], replaced
        if len(stale):
            squared, ids = faiss.knn(self._rows[stale], self._centres, 2)
            self.first[stale], self.second[stale] = squared.T
            self.ids[:, stale] = ids.T


def _draw(weight: FloatArray, trials: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows drawn in proportion to `weight`; any rows where all weights are 0."""
    total = weight.cumsum(dtype=np.float64)
    if total[-1] <= 0:
        return rng.integers(len(weight), size=trials)
    draws = np.searchsorted(total, rng.random(trials) * total[-1], side="right")
    return np.minimum(draws, len(weight) - 1)
