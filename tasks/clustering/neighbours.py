"""Nearest neighbours by inner product, exact and by blocks: nothing of size N x N exists."""

import faiss
import numpy as np
from numpy.typing import NDArray

from sortal.configs.errors import UsageError
from sortal.storage.rows import FloatArray, Rows, as_rows
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
    sought = min(wanted + 1, total)
    out = np.empty((total, wanted), dtype=np.int32)
    start = 0
    with progress("neighbours", total, "images") as advance:
        for block in rows.blocks(_QUERIES):
            itself = np.arange(start, start + len(block))[:, None]
            found = nearest_rows(rows, block, sought)
            others = without_self(found, itself, wanted)
            with_itself = np.hstack([itself, others])[:, :wanted]
            out[start : start + len(block)] = with_itself if include_self else others
            start += len(block)
            advance(len(block))
    return out


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
