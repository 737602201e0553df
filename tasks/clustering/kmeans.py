"""k-means on vectors in memory or streamed: seeding, restarts, warm start, spherical or Euclidean.

The fit works on all rows, or on a sample where they are too many; labels always come from one
streamed pass with the final centres, so nothing of size n_rows x n_clusters exists.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sortal.configs.errors import UsageError
from sortal.configs.partition import PartitionConfig
from sortal.storage.hashing import hash_bytes
from sortal.storage.rows import FloatArray, Rows, as_rows
from sortal.tasks.arrays import normalise
from sortal.tasks.clustering.lloyd import TOL, few_threads, lloyd, nearest
from sortal.tasks.clustering.seeding import best_seeding
from sortal.tasks.clustering.spread import HeldData, HoldRows, SpreadLloyd
from sortal.tasks.executor.base import How, Part
from sortal.tasks.executor.current import executor

log = logging.getLogger("sortal")

BLOCK = 16384
FIT_BYTES = 2 << 30  # rows are sampled when the fit would hold more than this


@dataclass(frozen=True)
class KMeansResult:
    """What k-means found.

    `centres` (n_clusters, dim) float32, unit where spherical; `labels` (n_rows,) int32;
    `distances` (n_rows,) float32, cosine distance to the own centre; `inertia` the sum of
    squared Euclidean distances to the own centre over all rows; `n_iter` iterations of the
    restart kept; `n_empty` empty clusters it reseeded; `n_fit` rows the fit has seen, and
    `fit_inertia` theirs before the centres moved last.
    """

    centres: FloatArray
    labels: NDArray[np.int32]
    distances: FloatArray
    inertia: float
    n_iter: int
    n_empty: int
    n_fit: int
    fit_inertia: float = 0.0


def kmeans(
    vectors: Rows | NDArray[np.floating],
    n_clusters: int,
    config: PartitionConfig,
    *,
    random_state: int,
    centres: FloatArray | None = None,
    max_rows: int | None = None,
) -> KMeansResult:
    """Partition `vectors` of shape (n_rows, dim) into `n_clusters`.

    Where `config.spherical`, rows and centres have unit length, so the nearest centre is that of
    the largest cosine. Engine "faiss" is our loop on faiss's exact search; "sklearn" is
    scikit-learn's, as a reference. `centres`: earlier centres of shape (n_clusters, dim) to start
    from; they keep their ids and `config.n_init` is unused. Otherwise ids are by
    decreasing size.
    `max_rows`: fit on a sample of at most so many rows (default: as many as fit into 2 GiB).

    Raises `UsageError` where n_clusters is not in [2, number of distinct rows].
    """
    rows = as_rows(vectors)
    fit = fit_centres(rows, n_clusters, config, random_state, centres, max_rows)
    labels, distances, inertia = label_rows(rows, fit.centres, spherical=config.spherical)
    found = fit.centres
    if centres is None:
        found, labels = by_size(found, labels)
    return KMeansResult(
        found,
        labels,
        distances,
        inertia,
        n_iter=fit.n_iter,
        n_empty=fit.n_empty,
        n_fit=fit.n_fit,
        fit_inertia=fit.inertia,
    )


def fit_centres(
    rows: Rows,
    n_clusters: int,
    config: PartitionConfig,
    random_state: int,
    centres: FloatArray | None = None,
    max_rows: int | None = None,
) -> "Fit":
    """The fit of `kmeans` alone, in no order of its centres: no row is given a label."""
    check_count(rows, n_clusters)
    _check_shape(centres, n_clusters, rows.shape[1])
    rng = np.random.default_rng(random_state)
    limit = max_rows or max(FIT_BYTES // (4 * rows.shape[1]), 1)
    wanted = fit_numbers(rows.shape[0], limit, rng, "k-means")
    parts = executor().parts(rows) if config.engine == "faiss" else None
    with few_threads(len(wanted) * n_clusters * rows.shape[1]):
        if parts is not None:
            fit = _fit_spread(parts, wanted, n_clusters, config, rng, centres)
        else:
            data = fit_rows(rows, config.spherical, wanted)
            fit = _fit(data, n_clusters, config, rng, centres)
    found = normalise(fit.centres) if config.spherical else fit.centres
    return fit._replace(centres=found, n_fit=len(wanted))


def label_rows(
    vectors: Rows | NDArray[np.floating], centres: FloatArray, *, spherical: bool
) -> tuple[NDArray[np.int32], FloatArray, float]:
    """Labels (n,), cosine distances to the own centre (n,) and inertia, in one streamed pass."""
    rows = as_rows(vectors)
    parts = executor().parts(rows)
    if parts is None:
        return _label(rows, centres, spherical)
    found = list(executor().map(LabelRows(centres, spherical), parts, How()))
    labels, distances, inertia = zip(*found, strict=True)
    return np.concatenate(labels), np.concatenate(distances), float(sum(inertia))


@dataclass(frozen=True)
class LabelRows:
    """Gives parts of the rows their labels; the work of an executor."""

    centres: FloatArray
    spherical: bool

    def __call__(self, part: Part) -> tuple[NDArray[np.int32], FloatArray, float]:
        """Labels, distances and inertia of a part."""
        return _label(part.open(), self.centres, self.spherical)


def _label(
    rows: Rows, centres: FloatArray, spherical: bool
) -> tuple[NDArray[np.int32], FloatArray, float]:
    labels = np.empty(rows.shape[0], dtype=np.int32)
    distances = np.empty(rows.shape[0], dtype=np.float32)
    unit, start, inertia = normalise(centres), 0, 0.0
    for block in finite_blocks(rows, spherical):
        stop = start + len(block)
        labels[start:stop], squared = nearest(block, centres)
        cosine = np.einsum("nd,nd->n", block, unit[labels[start:stop]])
        if not spherical:
            cosine /= np.maximum(np.linalg.norm(block, axis=1), np.finfo(np.float32).tiny)
        distances[start:stop] = np.clip(1.0 - cosine, 0.0, 2.0)
        inertia += float(squared.sum(dtype=np.float64))
        start = stop
    return labels, distances, inertia


def count_distinct(vectors: Rows | NDArray[np.floating], limit: int) -> int:
    """How many different rows there are, counted up to `limit`."""
    seen: set[str] = set()
    for block in as_rows(vectors).blocks(BLOCK):
        for row in block + np.float32(0.0):  # -0.0 and 0.0 are one value
            seen.add(hash_bytes(row.tobytes()))
            if len(seen) >= limit:
                return limit
    return len(seen)


def check_count(rows: Rows, n_clusters: int) -> None:
    """Raise UsageError where n_clusters is not in [2, number of distinct rows]."""
    known = count_distinct(rows, n_clusters) if n_clusters > 1 else rows.shape[0]
    if known < 2:
        raise UsageError(
            f"clusters need at least 2 readable images that differ, got {known}; add images"
        )
    if n_clusters < 2 or known < n_clusters:
        have = f"{known:,}".replace(",", " ")
        raise UsageError(
            f"n_clusters must be in [2, {have}], got {n_clusters}; "
            f"the collection has {have} readable images that differ"
        )


def _check_shape(centres: FloatArray | None, n_clusters: int, dim: int) -> None:
    if centres is not None and centres.shape != (n_clusters, dim):
        raise UsageError(
            f"centres must have shape {(n_clusters, dim)}, got {centres.shape}; start without them"
        )


def finite_blocks(rows: Rows, spherical: bool) -> Iterator[FloatArray]:
    """Blocks of rows, of unit length where `spherical`; raises UsageError for NaN or infinity."""
    for block in rows.blocks(BLOCK):
        if not np.isfinite(block).all():
            raise UsageError("vectors must be finite, got NaN or infinity; embed the images again")
        yield normalise(block) if spherical else block


def fit_numbers(total: int, max_rows: int, rng: np.random.Generator, who: str) -> NDArray[np.int64]:
    """Numbers of all rows, or of a uniform sample of `max_rows` in their order; `who` says so."""
    if total <= max_rows:
        return np.arange(total)
    log.info("%s: fitted on a sample of %s of %s rows", who, f"{max_rows:,}", f"{total:,}")
    return np.sort(rng.choice(total, max_rows, replace=False))


def fit_rows(rows: Rows, spherical: bool, wanted: NDArray[np.int64]) -> FloatArray:
    """The rows `wanted` (ascending) in memory."""
    out = np.empty((len(wanted), rows.shape[1]), dtype=np.float32)
    start = filled = 0
    for block in finite_blocks(rows, spherical=False):
        inside = wanted[filled : np.searchsorted(wanted, start + len(block))] - start
        some = block if len(inside) == len(block) else block[inside]
        out[filled : filled + len(inside)] = normalise(some) if spherical else some
        start, filled = start + len(block), filled + len(inside)
    return out


def by_size(centres: FloatArray, labels: NDArray[np.int32]) -> tuple[FloatArray, NDArray[np.int32]]:
    """Centres and labels with ids in order of decreasing size."""
    order, rank = size_order(labels, len(centres))
    return centres[order], rank[labels]


def size_order(
    labels: NDArray[np.int32], n_clusters: int
) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """The clusters by decreasing size, and the place (n_clusters + 1,) of each; -1 has -1."""
    order = np.argsort(-np.bincount(labels[labels >= 0], minlength=n_clusters), kind="stable")
    rank = np.full(n_clusters + 1, -1, dtype=np.int32)  # its last place is that of -1
    rank[order] = np.arange(n_clusters)
    return order, rank


class Fit(NamedTuple):
    """Centres (n_clusters, dim), and what `KMeansResult` has of the fit."""

    centres: FloatArray
    n_iter: int
    n_empty: int
    inertia: float
    n_fit: int = 0


def _fit(
    data: FloatArray,
    n_clusters: int,
    config: PartitionConfig,
    rng: np.random.Generator,
    centres: FloatArray | None,
) -> Fit:
    """Centres of rows in memory, from `centres` or from the best of `config.n_init` seedings."""
    if config.engine == "sklearn":
        return _fit_sklearn(data, n_clusters, config, rng, centres)
    start = best_seeding(data, n_clusters, config.n_init, rng) if centres is None else centres
    run = lloyd(data, start.astype(np.float32), config)
    run.run(config.max_iter, TOL)
    return Fit(run.centres, run.n_iter, run.n_empty, run.inertia)


def _fit_spread(
    parts: Sequence[Part],
    wanted: NDArray[np.int64],
    n_clusters: int,
    config: PartitionConfig,
    rng: np.random.Generator,
    centres: FloatArray | None,
) -> Fit:
    """The same on rows that the workers of the executor hold; seedings are tried here."""
    with executor().hold(HoldRows(wanted, config.spherical, config.precision), parts) as held:
        data = HeldData(held, len(wanted))
        if centres is None:
            centres = best_seeding(data, n_clusters, config.n_init, rng)
        run = SpreadLloyd(held, centres.astype(np.float32), config.spherical)
        run.run(config.max_iter, TOL)
    return Fit(run.centres, run.n_iter, run.n_empty, run.inertia)


def _fit_sklearn(
    data: FloatArray,
    n_clusters: int,
    config: PartitionConfig,
    rng: np.random.Generator,
    centres: FloatArray | None,
) -> Fit:
    from sklearn.cluster import KMeans

    start: dict[str, Any] = (
        {"n_init": config.n_init} if centres is None else {"n_init": 1, "init": centres}
    )
    seed = int(rng.integers(2**31))
    model = KMeans(n_clusters, max_iter=config.max_iter, random_state=seed, **start).fit(data)
    centres = model.cluster_centers_.astype(np.float32)
    return Fit(centres, int(model.n_iter_), 0, float(model.inertia_))
