"""The graph of nearest neighbours: two rows are joined where one is among the other's nearest."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import faiss
import numpy as np
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray
from sortal.tasks.clustering.means import leading_axes
from sortal.tasks.clustering.neighbours import without_self
from sortal.tasks.progress import progress

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_QUERIES = 8192  # rows whose neighbours are sought at once
_LISTS_PER_ROOT = 4  # lists of the approximate index, times the root of the rows
_PROBES = 16  # lists that are looked into; docs/performance.md has the share that is found
_CANDIDATES = 3  # rows for each that is asked for, which are then compared in all directions
_TRAINED_ON = 40  # rows for each list
_COMPARED = 512  # rows that are compared with their candidates at once
_CELLS = 2**24  # affinities that exist at once
_LEAST = 1e-6  # of an edge by affinity, whose rows may point away from each other
_DIM = 128  # directions that are compared


Seek = Callable[[FloatArray, int], NDArray[np.int64]]  # rows (b, d), k: the k nearest (b, k)
Weigh = Callable[
    [NDArray[np.int32], NDArray[np.int32]], FloatArray
]  # numbers (m,) of two rows each


def neighbour_graph(
    data: FloatArray, n_neighbours: int, seek: Seek, weigh: Weigh | None = None
) -> "csr_matrix":
    """Symmetric float32 weights (n, n): 1 where one of two rows is among the other's nearest.

    `seek` finds the nearest of the rows `data` (n, d), n >= 2; `weigh` gives weights (m,) above 0,
    the same for (i, j) and (j, i), in place of 1. Nothing n x n is dense.
    """
    from scipy.sparse import csr_matrix  # a run in which nothing changed spares its import

    found = _nearest(data, min(n_neighbours, len(data) - 1), seek)
    rows = np.repeat(np.arange(len(data), dtype=np.int32), found.shape[1])
    known = found.ravel() >= 0
    ends = rows[known], found.ravel()[known]
    weights = weigh(*ends) if weigh else np.ones(len(ends[0]), dtype=np.float32)
    joined = csr_matrix((weights, ends), (len(data), len(data)))
    return joined.maximum(joined.T).tocsr()


def seeker(data: FloatArray, exact_rows: int, seed: int) -> Seek:
    """What finds the nearest of the rows `data` (n, d), the nearest first; -1 where there are none.

    They are compared by Euclidean distance, which for unit rows is the order by cosine: with all
    rows, or where these are more than `exact_rows` with those that are nearest along their main
    directions, among the rows of near lists of an inverted index.
    """
    if len(data) <= exact_rows:
        return lambda block, count: faiss.knn(block, data, min(count, len(data)))[1]
    axes = leading_axes(data, _DIM)
    index = _inverted(data, axes, seed)

    def seek(block: FloatArray, count: int) -> NDArray[np.int64]:
        found = index.search(block @ axes, _CANDIDATES * count)[1]
        out = np.empty((len(block), count), dtype=np.int64)
        for start in range(0, len(block), _COMPARED):
            some = slice(start, start + _COMPARED)
            out[some] = _nearest_of(data, block[some], found[some], count)
        return out

    return seek


def _nearest_of(
    data: FloatArray, block: FloatArray, near: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """The `count` nearest (b, count) to each of `block` (b, d) among the rows `near` (b, m)."""
    rows = data[near]
    far = np.einsum("bmd,bmd->bm", rows, rows) - 2 * np.einsum("bmd,bd->bm", rows, block)
    far[near < 0] = np.inf
    order = np.argsort(far, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(near, order, axis=1)


def _nearest(data: FloatArray, count: int, seek: Seek) -> NDArray[np.int32]:
    """The `count` nearest other rows of each, of shape (n, count); -1 where fewer were found."""
    out = np.empty((len(data), count), dtype=np.int32)
    with progress("neighbours", len(data), "images") as advance:
        for start in range(0, len(data), _QUERIES):
            found = seek(data[start : start + _QUERIES], count + 1)
            itself = np.arange(start, start + len(found))[:, None]
            out[start : start + len(found)] = without_self(found, itself, count)
            advance(len(found))
    return out


def _inverted(data: FloatArray, axes: FloatArray, seed: int) -> faiss.Index:
    """An index of `data` along `axes`, in lists that are trained on a sample."""
    dim, lists = axes.shape[1], int(_LISTS_PER_ROOT * np.sqrt(len(data)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(dim), dim, lists)
    index.cp.seed, index.cp.niter, index.nprobe = seed % 2**31, 10, _PROBES
    size = min(len(data), _TRAINED_ON * lists)
    chosen = np.random.default_rng(seed).choice(len(data), size, replace=False)
    index.train(data[np.sort(chosen)] @ axes)
    for start in range(0, len(data), _QUERIES):
        index.add(data[start : start + _QUERIES] @ axes)
    return index


class TextAffinity:
    """Finds rows that are alike, and says how much (docs/methods.md#ntk-sc).

    A_ij = (x_i . x_j) sum_k s_ik s_jk over rows x (n, d), with s = softmax(x . u / temperature)
    over texts u (M, d). Nothing n x n exists; s (n, M) does.
    """

    def __init__(self, data: FloatArray, texts: FloatArray, temperature: float) -> None:
        self._data = data
        self._texts = texts
        self._temperature = temperature
        self._shares = self._shares_of(data)

    def __call__(self, block: FloatArray, count: int) -> NDArray[np.int64]:
        """Numbers (b, k) of the rows most alike to each of `block` (b, d), the most alike first."""
        count = min(count, len(self._data))
        out = np.empty((len(block), count), dtype=np.int64)
        size = max(_CELLS // len(self._data), 1)
        for start in range(0, len(block), size):
            some = block[start : start + size]
            alike = (some @ self._data.T) * (self._shares_of(some) @ self._shares.T)
            best = np.argpartition(alike, -count, axis=1)[:, -count:]
            order = np.argsort(-np.take_along_axis(alike, best, axis=1), axis=1, kind="stable")
            out[start : start + size] = np.take_along_axis(best, order, axis=1)
        return out

    def between(self, one: NDArray[np.int32], other: NDArray[np.int32]) -> FloatArray:
        """Affinities (m,) of rows `one` (m,) and `other` (m,), above 0."""
        out = np.empty(len(one), dtype=np.float32)
        size = max(_CELLS // (self._data.shape[1] + self._shares.shape[1]), 1)
        for start in range(0, len(one), size):
            i, j = one[start : start + size], other[start : start + size]
            cosines = np.einsum("nd,nd->n", self._data[i], self._data[j])
            out[start : start + size] = cosines * np.einsum(
                "nm,nm->n", self._shares[i], self._shares[j]
            )
        return np.maximum(out, _LEAST)

    def _shares_of(self, rows: FloatArray) -> FloatArray:
        logits = rows @ self._texts.T / self._temperature
        shares: FloatArray = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return shares
