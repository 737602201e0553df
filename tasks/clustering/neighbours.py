"""Nearest neighbours by inner product, exact and by blocks: nothing of size N x N exists."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from sortal.configs.errors import UsageError
from sortal.storage.rows import FloatArray, Rows, as_rows, read_all, rows_between
from sortal.tasks.executor.base import How
from sortal.tasks.executor.current import executor
from sortal.tasks.progress import progress

_QUERIES = 16384  # rows whose neighbours are sought at once
_BASE = 65536  # rows among which they are sought at once


def nearest_neighbours(
    vectors: Rows | FloatArray, count: int, *, include_self: bool = False
) -> NDArray[np.int32]:
    """Row numbers (n_rows, k) of the k nearest rows by inner product, the nearest first.

    `include_self`: a row is its own first neighbour (SIC); otherwise it is left out (TAC).
    k is `count`, or as many other rows as there are. Raises `UsageError` for fewer than 2 rows.
    """
    rows = as_rows(vectors)
    total = rows.shape[0]
    if total < 2:
        raise UsageError(f"neighbours need at least 2 images that differ, got {total}; add images")
    wanted = min(count, total if include_self else total - 1)
    seek = SeekNeighbours(rows, wanted, include_self)
    out = np.empty((total, wanted), dtype=np.int32)
    spans = [(start, min(start + _QUERIES, total)) for start in range(0, total, _QUERIES)]
    spread = executor().parts(rows) is not None
    with progress("neighbours", total, "images") as advance:
        found = executor().map(seek, spans, How()) if spread else seek.over(spans)
        for (start, stop), numbers in zip(spans, found, strict=True):
            out[start:stop] = numbers
            advance(stop - start)
    return out


@dataclass(frozen=True)
class SeekNeighbours:
    """Finds the neighbours of some of the rows among all of them; the work of an executor."""

    rows: Rows
    wanted: int
    include_self: bool

    def __call__(self, span: tuple[int, int]) -> NDArray[np.int32]:
        """Numbers (stop - start, wanted) for the rows from `start` to before `stop`."""
        return self._of(read_all(rows_between(self.rows, *span)), span[0])

    def over(self, spans: Sequence[tuple[int, int]]) -> Iterator[NDArray[np.int32]]:
        """Those of all rows, which are read once for it."""
        for (start, _), block in zip(spans, self.rows.blocks(_QUERIES), strict=True):
            yield self._of(block, start)

    def _of(self, block: FloatArray, start: int) -> NDArray[np.int32]:
        itself = np.arange(start, start + len(block))[:, None]
        found = nearest_rows(self.rows, block, min(self.wanted + 1, self.rows.shape[0]))
        others = without_self(found, itself, self.wanted)
        chosen = np.hstack([itself, others])[:, : self.wanted] if self.include_self else others
        return chosen.astype(np.int32)


def nearest_rows(rows: Rows, queries: FloatArray, count: int) -> NDArray[np.int64]:
    """Numbers (len(queries), count) of the rows of the largest inner product, the nearest first.

    One pass over `rows`, whatever their number.
    """
    score = np.full((len(queries), 0), -np.inf, dtype=np.float32)
    number = np.empty((len(queries), 0), dtype=np.int64)
    start = 0
    for base in rows.blocks(_BASE):
        best, ids = faiss.knn(
            queries, base, min(count, len(base)), metric=faiss.METRIC_INNER_PRODUCT
        )
        score, number = np.hstack([score, best]), np.hstack([number, ids + start])
        order = np.argsort(-score, axis=1, kind="stable")[:, :count]
        score = np.take_along_axis(score, order, axis=1)
        number = np.take_along_axis(number, order, axis=1)
        start += len(base)
    return number


def without_self(
    found: NDArray[np.int64], itself: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """The first `count` of those `found` (n, m) other than the row `itself` (n, 1).

    A row may be missing from its own neighbours, where more copies of it exist than are sought.
    """
    others_first = np.argsort(found == itself, axis=1, kind="stable")
    return np.take_along_axis(found, others_first, axis=1)[:, :count]
