"""Lloyd's iterations on rows in memory: the inner loop of k-means.

Assignments come from faiss's exact search; sums move only by the rows that changed cluster.
"""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from sortal.configs.executor import Products
from sortal.configs.partition import PartitionConfig
from sortal.storage.rows import FloatArray
from sortal.tasks.arrays import normalise
from sortal.tasks.devices.at_hand import gpu

if TYPE_CHECKING:
    from sortal.tasks.devices.rows import RowsOnDevice

TOL = 1e-5  # share of the inertia; an iteration that lowers it by less is the last
CHUNK = 16384
_FOR_A_GPU = 1 << 30  # products of an iteration, from which rows are copied to a GPU [infer]
_SMALL = 200_000_000  # products of a pass over the rows, 10 ms of one core


def few_threads(products: int) -> AbstractContextManager[Any]:
    """One thread where a pass takes less than the barrier that several end it with may cost.

    On a busy machine threads spin at each barrier: 2,500 rows took ten times as long with two.
    """
    return _libraries().limit(limits=1) if products < _SMALL else nullcontext()


@cache
def _libraries() -> ThreadpoolController:
    """The libraries that have threads, listed once: all are loaded where this is first called."""
    return ThreadpoolController()


def nearest(data: FloatArray, centres: FloatArray) -> tuple[NDArray[np.int32], FloatArray]:
    """Nearest centre of each row: ids (n,) and squared Euclidean distances (n,)."""
    squared, labels = faiss.knn(data, np.ascontiguousarray(centres), 1)
    return labels[:, 0].astype(np.int32), np.maximum(squared[:, 0], 0.0)


def means_of(data: FloatArray, labels: NDArray[np.int32], n_clusters: int) -> FloatArray:
    """Mean row of each cluster, shape (n_clusters, dim); zero for an empty one."""
    counts = np.bincount(labels, minlength=n_clusters)
    sizes = np.maximum(counts, 1).astype(np.float32)
    means: FloatArray = np.divide(sums_of(data, labels, n_clusters), sizes[:, None])
    return means


def sums_of(data: FloatArray, labels: NDArray[np.int32], n_clusters: int) -> FloatArray:
    """Sum of the rows of each cluster, shape (n_clusters, dim)."""
    from scipy.sparse import csc_matrix  # a run in which nothing changed spares its import

    size = len(labels)
    ones, numbers = np.ones(size, dtype=np.float32), np.arange(size + 1, dtype=np.int32)
    members = csc_matrix((ones, labels, numbers), shape=(n_clusters, size))
    sums: FloatArray = members @ data
    return sums


class Lloyd:
    """One run of Lloyd's algorithm on `data` (n, dim) from `centres` (n_clusters, dim).

    After `run`, `centres`, `inertia`, `labels`, `n_iter` and `n_empty` are up to date; `labels`
    and `inertia` are those of the last assignment.
    """

    def __init__(self, data: FloatArray, centres: FloatArray, spherical: bool) -> None:
        self._data = data
        self._spherical = spherical
        self.labels = np.full(len(data), -1, dtype=np.int32)
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
        changed = np.flatnonzero(labels != self.labels)
        for start in range(0, len(changed), CHUNK):
            self._move(changed[start : start + CHUNK], labels)
        self.labels = labels
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
        for clusters, sign in ((labels[rows], 1), (self.labels[rows], -1)):
            old = clusters >= 0
            moved = data if old.all() else data[old]
            self._sums += sign * sums_of(moved, clusters[old], len(self.centres))
            self._counts += sign * np.bincount(clusters[old], minlength=len(self.centres))

    def _update(self) -> None:
        filled = self._counts > 0
        means = self._sums[filled] / self._counts[filled, None]
        self.centres = self.centres.copy()
        self.centres[filled] = means.astype(np.float32)
        if self._spherical:
            self.centres = normalise(self.centres)


class LloydOnDevice(Lloyd):
    """The same on rows that lie on a GPU: labels and sums are made there."""

    def __init__(self, rows: "RowsOnDevice", centres: FloatArray, spherical: bool) -> None:
        super().__init__(np.empty((0, centres.shape[1]), np.float32), centres, spherical)
        self._rows = rows

    def _assign(self) -> bool:
        labels, squared = self._rows.nearest(self.centres)
        self._reseed(labels, squared)
        changed = not np.array_equal(labels, self.labels)
        self._sums, self._counts = self._rows.sums(labels, len(self.centres))
        self.labels = labels
        self.inertia = float(squared.sum(dtype=np.float64))
        return changed


def lloyd(data: FloatArray, centres: FloatArray, config: PartitionConfig) -> Lloyd:
    """A run of Lloyd's algorithm on the cores, or on a GPU where there is one and enough to do."""
    rows = on_gpu(data, len(centres), config.precision)
    if rows is None:
        return Lloyd(data, centres, config.spherical)
    return LloydOnDevice(rows, centres, config.spherical)


def on_gpu(data: FloatArray, n_clusters: int, precision: Products) -> "RowsOnDevice | None":
    """`data` (n, d) on a GPU; None where there is none, or too little to do for one."""
    device = gpu() if data.size * n_clusters >= _FOR_A_GPU else None
    if device is None:
        return None
    from sortal.tasks.devices.arithmetic import Arithmetic
    from sortal.tasks.devices.rows import RowsOnDevice

    return RowsOnDevice(data, device, Arithmetic.on(device, precision))
