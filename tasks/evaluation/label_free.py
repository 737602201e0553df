"""Figures that need no labels: silhouettes, stability, mean pairwise cosine, text usage.

Matrices are streamed once each; only a bounded sample of their rows is kept.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sortal.configs.evaluation import EvaluationConfig
from sortal.configs.partition import PartitionConfig
from sortal.storage.artifacts import Artifact
from sortal.storage.rows import FloatArray, Rows
from sortal.tasks.arrays import normalise
from sortal.tasks.clustering.kmeans import count_distinct, kmeans, label_rows
from sortal.tasks.evaluation.agreement import ari, confusion

_BLOCK = 16384
_TINY = 1e-12  # distances below it are rounding
Labels = NDArray[np.integer]


class MatrixSummary(NamedTuple):
    """What one pass over a matrix gives: sampled unit rows (s, d) and the mean pairwise cosine."""

    rows: FloatArray
    cosine: float | None


def draw(n_rows: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Places of `size` rows drawn without return, in order; all where there are no more."""
    if size >= n_rows:
        return np.arange(n_rows)
    return np.sort(rng.choice(n_rows, size, replace=False))


def summarise(rows: Rows, places: NDArray[np.int64]) -> MatrixSummary:
    """The unit rows at `places` (ascending), and the mean cosine over all pairs of rows.

    Mean pairwise cosine as CAE reports it, exact in O(N d): with s the sum of the n unit rows,
    (|s|^2 - n) / (n (n - 1)). Zero rows are left out; None where fewer than two are left.
    """
    kept = np.empty((len(places), rows.shape[1]), dtype=np.float32)
    total, count, start = np.zeros(rows.shape[1]), 0, 0
    for block in rows.blocks(_BLOCK):
        unit = normalise(block)
        first, last = np.searchsorted(places, [start, start + len(block)])
        kept[first:last] = unit[places[first:last] - start]
        total += unit.sum(axis=0, dtype=np.float64)
        count += int(unit.any(axis=1).sum())
        start += len(block)
    cosine = (float(total @ total) - count) / (count * (count - 1)) if count > 1 else None
    return MatrixSummary(kept, cosine)


def silhouette(rows: FloatArray, labels: Labels) -> float | None:
    """Mean silhouette, cosine distance (Rousseeuw, 1987); None for fewer than two clusters.

    `rows` (n, d), `labels` (n,), of which -1 is left out. Also None where every row is a cluster
    of its own. O(n K d): a unit row's distances to n_k others sum to n_k minus its product with
    their sum.
    """
    rows, labels = rows[labels >= 0], labels[labels >= 0]
    _, own, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if not 2 <= len(sizes) < len(labels):
        return None
    unit, here = normalise(rows).astype(np.float64), np.arange(len(labels))
    sums = np.zeros((len(sizes), unit.shape[1]))
    np.add.at(sums, own, unit)
    away = sizes - unit @ sums.T
    itself = 1 - (unit * unit).sum(axis=1)
    inside = (away[here, own] - itself) / np.maximum(sizes[own] - 1, 1)
    away /= sizes
    away[here, own] = np.inf
    outside = away.min(axis=1)
    scores = (outside - inside) / np.maximum(np.maximum(inside, outside), _TINY)
    return float(np.where(sizes[own] > 1, scores, 0).mean())


def stability(
    rows: FloatArray,
    n_clusters: int,
    partition: PartitionConfig,
    n_init: int,
    rng: np.random.Generator,
) -> float | None:
    """ARI between two k-means, each fitted on a random half of `rows` (n, d) and given all rows.

    1 where the halves agree on every row, about 0 where they share nothing. None where a half
    has fewer distinct rows than clusters. Ben-Hur et al. (2002) compare partitions of
    subsamples; giving both all rows compares them on more than what they share.
    """
    order = rng.permutation(len(rows))
    halves = order[: len(rows) // 2], order[len(rows) // 2 :]
    if any(count_distinct(rows[half], n_clusters) < n_clusters for half in halves):
        return None
    found = [_labels(rows, half, n_clusters, partition, n_init, rng) for half in halves]
    return ari(confusion(*found))


def _labels(
    rows: FloatArray,
    half: NDArray[np.int64],
    n_clusters: int,
    partition: PartitionConfig,
    n_init: int,
    rng: np.random.Generator,
) -> NDArray[np.int32]:
    fit = kmeans(
        rows[half],
        n_clusters,
        partition.model_copy(update={"n_init": n_init}),
        random_state=int(rng.integers(2**32)),
    )
    return label_rows(rows, fit.centres, spherical=partition.spherical)[0]


def geometry(
    images: Rows,
    fused: Rows,
    labels: Labels,
    config: EvaluationConfig,
    rng: np.random.Generator,
    refit: tuple[int, PartitionConfig] | None,
) -> dict[str, float | None]:
    """Silhouettes, cosines and stability of N images: (N, d), (N, d') and clusters (N,).

    `refit`: the number of clusters and the k-means settings that made them; None for others,
    whose stability would mean fitting or training them again.
    """
    small = draw(len(labels), config.silhouette_sample, rng)
    large = draw(len(labels), config.stability_sample if refit else 0, rng)
    before = summarise(images, small)
    after = summarise(fused, np.union1d(small, large))
    places = np.union1d(small, large)
    of_small = after.rows[np.searchsorted(places, small)]
    figures = {
        "silhouette_image": silhouette(before.rows, labels[small]),
        "silhouette_fused": silhouette(of_small, labels[small]),
        "cosine_image": before.cosine,
        "cosine_fused": after.cosine,
    }
    if refit and len(large):
        rows = after.rows[np.searchsorted(places, large)]
        figures["stability"] = stability(rows, *refit, config.stability_n_init, rng)
    return figures


def column_entropy(solved: Artifact) -> float | None:
    """Entropy of a transport's columns as a share of log M; None where there is one text."""
    return solved.facts["column_entropy"] / math.log(solved.rows) if solved.rows > 1 else None


def without_missing(figures: dict[str, float | None]) -> dict[str, float]:
    """The figures that could be computed."""
    return {name: value for name, value in figures.items() if value is not None}
