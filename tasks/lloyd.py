"""Lloyd's iterations and greedy k-means++ on rows in memory: the inner loop of k-means.

Assignments come from faiss's exact search; sums move only by the rows that changed cluster.
"""

import faiss
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from storage.rows import FloatArray
from tasks.centring import normalise

_CHUNK = 16384


def nearest(data: FloatArray, centres: FloatArray) -> tuple[NDArray[np.int32], FloatArray]:
    """Nearest centre of each row: ids (n,) and squared Euclidean distances (n,)."""
    squared, labels = faiss.knn(data, np.ascontiguousarray(centres), 1)
    return labels[:, 0].astype(np.int32), np.maximum(squared[:, 0], 0.0)


def seed_centres(data: FloatArray, n_clusters: int, rng: np.random.Generator) -> FloatArray:
    """Greedy k-means++ (Arthur and Vassilvitskii, 2007) over `data` of shape (n, dim).

    Each new centre is the best of 2 + log(n_clusters) rows drawn with probability proportional
    to the squared distance from the centres so far.
    """
    trials = 2 + int(np.log(n_clusters))
    norms = np.einsum("nd,nd->n", data, data)
    chosen = [int(rng.integers(len(data)))]
    closest = _squared(data, norms, chosen)[:, 0]
    while len(chosen) < n_clusters:
        draws = _draw(closest, chosen, trials, rng)
        candidates = np.minimum(closest[:, None], _squared(data, norms, draws))
        best = int(candidates.sum(axis=0).argmin())
        chosen.append(int(draws[best]))
        closest = np.ascontiguousarray(candidates[:, best])
    return data[chosen].copy()


def _squared(data: FloatArray, norms: FloatArray, rows: NDArray[np.intp] | list[int]) -> FloatArray:
    distances = norms[:, None] + norms[rows][None, :] - 2.0 * (data @ data[rows].T)
    return np.maximum(distances, 0.0)


def _draw(
    closest: FloatArray, chosen: list[int], trials: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Rows drawn in proportion to `closest`; any row not yet chosen where all are 0."""
    weight = closest.astype(np.float64)
    weight[chosen] = 0.0
    total = weight.cumsum()
    if total[-1] <= 0:
        free = np.setdiff1d(np.arange(len(closest)), chosen)
        return rng.choice(free, trials) if len(free) else np.array([chosen[0]])
    return np.minimum(np.searchsorted(total, rng.random(trials) * total[-1]), len(closest) - 1)


class Lloyd:
    """One run of Lloyd's algorithm on `data` (n, dim) from `centres` (n_clusters, dim).

    After `run`, `centres`, `inertia`, `n_iter` and `n_empty` are up to date; `inertia` is that
    of the last assignment.
    """

    def __init__(self, data: FloatArray, centres: FloatArray, spherical: bool) -> None:
        self._data = data
        self._spherical = spherical
        self._labels = np.full(len(data), -1, dtype=np.int32)
        self._sums = np.zeros(centres.shape)
        self._counts = np.zeros(len(centres), dtype=np.int64)
        self.centres = normalise(centres) if spherical else centres
        self.inertia = np.inf
        self.n_iter = 0
        self.n_empty = 0
        self._done = False

    def run(self, max_iter: int, tol: float) -> None:
        """Iterate until no label changes or inertia falls by less than the share `tol`."""
        for _ in range(max_iter):
            if self._done:
                return
            before = self.inertia
            changed = self._assign()
            self._update()
            self.n_iter += 1
            self._done = not changed
            if before - self.inertia < tol * self.inertia:
                return

    def _assign(self) -> bool:
        labels, squared = nearest(self._data, self.centres)
        self._reseed(labels, squared)
        changed = np.flatnonzero(labels != self._labels)
        for start in range(0, len(changed), _CHUNK):
            self._move(changed[start : start + _CHUNK], labels)
        self._labels = labels
        self.inertia = float(squared.sum(dtype=np.float64))
        return len(changed) > 0

    def _reseed(self, labels: NDArray[np.int32], squared: FloatArray) -> None:
        """Give every empty cluster the farthest row of a cluster that has others."""
        counts = np.bincount(labels, minlength=len(self.centres))
        empty = np.flatnonzero(counts == 0)
        if not len(empty):
            return
        queue = iter(np.argsort(-squared, kind="stable"))
        for cluster in empty:
            row = next((row for row in queue if counts[labels[row]] > 1), None)
            if row is None:
                return
            counts[labels[row]] -= 1
            counts[cluster] += 1
            labels[row], squared[row] = cluster, 0.0
            self.n_empty += 1

    def _move(self, rows: NDArray[np.intp], labels: NDArray[np.int32]) -> None:
        """Add `rows` to the sums of their new clusters and take them from the old."""
        data = self._data[rows]
        for clusters, sign in ((labels[rows], 1), (self._labels[rows], -1)):
            old = clusters >= 0
            where = (clusters[old], np.flatnonzero(old))
            ones = np.ones(len(where[0]), dtype=np.float32)
            moves = csr_matrix((ones, where), shape=(len(self.centres), len(rows)))
            self._sums += sign * (moves @ data)
            self._counts += sign * np.bincount(clusters[old], minlength=len(self.centres))

    def _update(self) -> None:
        filled = self._counts > 0
        means = self._sums[filled] / self._counts[filled, None]
        self.centres = self.centres.copy()
        self.centres[filled] = means.astype(np.float32)
        if self._spherical:
            self.centres = normalise(self.centres)
