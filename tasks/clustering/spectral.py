"""Spectral clustering: parts of the graph of nearest neighbours that few edges join to others.

Clusters need not be round: what counts is which images are joined, step by step (Ng, Jordan and
Weiss, 2001). Nothing of size n x n is dense; of too many rows a sample is parted, and the others
go to the clusters of their nearest ones.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sortal.configs.partition import PartitionConfig
from sortal.storage.rows import FloatArray, Rows, as_rows
from sortal.tasks.clustering.assignments import Labels
from sortal.tasks.clustering.embedding import embed
from sortal.tasks.clustering.graph import Seek, TextAffinity, neighbour_graph, seeker
from sortal.tasks.clustering.kmeans import (
    BLOCK,
    FIT_BYTES,
    KMeansResult,
    by_size,
    check_count,
    finite_blocks,
    fit_numbers,
    fit_rows,
    kmeans,
)
from sortal.tasks.clustering.lloyd import means_of
from sortal.tasks.clustering.means import cluster_means, own_distances

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class _Joined(NamedTuple):
    """A graph of rows (n, n), and which of its unconnected parts each row (n,) is in."""

    graph: "csr_matrix"
    of: Labels


class _Parted(NamedTuple):
    """Clusters of rows, and what k-means said of their embedding."""

    labels: Labels
    inertia: float = 0.0
    n_iter: int = 0
    n_empty: int = 0


class _Sought(NamedTuple):
    """Rows in memory, and what finds those of them that are nearest to others."""

    data: FloatArray
    seek: Seek


class _Joining(NamedTuple):
    """How rows are joined: the settings, and the texts (M, dim) that these read, if they do."""

    config: PartitionConfig
    texts: FloatArray | None

    def seek(self, data: FloatArray, seed: int) -> Seek:
        """What finds the nearest of the rows `data` (n, dim)."""
        rule = self.config.spectral
        if self.texts is not None:
            return TextAffinity(data, self.texts, rule.temperature)
        return seeker(data, rule.exact_rows, seed)


def spectral(
    vectors: Rows | NDArray[np.floating],
    n_clusters: int,
    config: PartitionConfig,
    *,
    random_state: int,
    known: Labels | None = None,
    texts: FloatArray | None = None,
) -> KMeansResult:
    """Partition `vectors` (n_rows, dim) into `n_clusters` parts of their graph.

    The result is as of `kmeans`, but centres are the means of clusters, of unit length where
    `config.spherical`, and an image need not be nearest to its own; `inertia` is that of rows in
    the embedding. `known` (n_rows,): clusters of an earlier fit to start from, -1 where there is
    none; otherwise ids are by decreasing size. Of more rows than fit into 2 GiB, with their
    embedding, a sample is parted. `texts` (M, dim): what `config.spectral.affinity` reads; graphs
    by it have at most `exact_rows` rows. Raises as `kmeans` does.
    """
    rows = as_rows(vectors)
    check_count(rows, n_clusters)
    total, dim = rows.shape
    rng = np.random.default_rng(random_state)
    rule = config.spectral
    limit = min(FIT_BYTES // (4 * dim), FIT_BYTES // (8 * n_clusters))
    if texts is not None:
        limit = min(limit, rule.exact_rows, FIT_BYTES // (4 * len(texts)))
    wanted = fit_numbers(total, max(limit, 2 * n_clusters), rng, "spectral")
    data = fit_rows(rows, config.spherical, wanted)
    joining = _Joining(config, texts)
    seek = joining.seek(data, random_state)
    start = None if known is None else known[wanted]
    parted = _part(_Sought(data, seek), n_clusters, joining, rng, start)
    labels = parted.labels
    if len(wanted) < total:
        labels = _spread(rows, wanted, labels, config, seek)
    centres = cluster_means(rows, labels, n_clusters, spherical=config.spherical)
    if known is None:
        centres, labels = by_size(centres, labels)
    distances = own_distances(rows, centres, labels)
    inertia = parted.inertia * total / len(wanted)
    return KMeansResult(
        centres, labels, distances, inertia, parted.n_iter, parted.n_empty, len(data)
    )


def _part(
    sought: _Sought,
    n_clusters: int,
    joining: _Joining,
    rng: np.random.Generator,
    known: Labels | None,
) -> _Parted:
    """Clusters of rows in memory. Small parts of the graph join the clusters they are near."""
    from scipy.sparse.csgraph import connected_components

    (data, seek), config = sought, joining.config
    rule = config.spectral
    weigh = seek.between if isinstance(seek, TextAffinity) else None
    graph = neighbour_graph(data, rule.n_neighbours, seek, weigh)
    of = connected_components(graph, directed=False)[1]
    sizes = np.bincount(of)
    large = sizes >= rule.least_share * len(data) / n_clusters
    if sizes[large].sum() * 2 < len(data):
        large[:] = True
    kept = large[of]
    of = (np.cumsum(large) - 1)[of[kept]].astype(np.int32)
    if kept.all():
        return _cut(data, _Joined(graph, of), n_clusters, config, rng, known)
    known = None if known is None else known[kept]
    joined = _Joined(graph[kept][:, kept], of)
    parted = _cut(data[kept], joined, n_clusters, config, rng, known)
    labels = np.empty(len(data), dtype=np.int32)
    labels[kept] = parted.labels
    seek = joining.seek(data[kept], int(rng.integers(2**31)))
    labels[~kept] = _voted(data[~kept], parted.labels, seek, rule.n_neighbours)
    return parted._replace(labels=labels)


def _cut(
    data: FloatArray,
    joined: _Joined,
    n_clusters: int,
    config: PartitionConfig,
    rng: np.random.Generator,
    known: Labels | None,
) -> _Parted:
    """Clusters of rows: unconnected parts are gathered, or cut further where they are fewer."""
    graph, of = joined
    n_parts, seed = int(of.max()) + 1, int(rng.integers(2**32))
    if n_parts == n_clusters:
        return _Parted(of)
    euclidean = config.model_copy(update={"spherical": False})
    if n_parts > n_clusters:  # parts are gathered by their means, each as often as its size says
        sizes = np.bincount(of)
        times = np.maximum(sizes // sizes.min(), 1)
        means = np.repeat(means_of(data, of, n_parts), times, axis=0)
        found = kmeans(means, n_clusters, euclidean, random_state=seed)
        return _Parted(found.labels[np.cumsum(times) - 1][of])
    embedded = embed(graph, of, n_clusters, seed)
    centres = None
    if known is not None and len(np.unique(known[known >= 0])) == n_clusters:
        centres = means_of(embedded[known >= 0], known[known >= 0], n_clusters)
    found = kmeans(embedded, n_clusters, euclidean, random_state=seed, centres=centres)
    return _Parted(found.labels, found.inertia, found.n_iter, found.n_empty)


def _spread(
    rows: Rows, wanted: NDArray[np.int64], labels: Labels, config: PartitionConfig, seek: Seek
) -> Labels:
    """Clusters of all rows: those of the rows `wanted`, and of others by their nearest of these."""
    out, start = np.empty(rows.shape[0], dtype=np.int32), 0
    for block in finite_blocks(rows, config.spherical):
        out[start : start + len(block)] = _voted(block, labels, seek, config.spectral.n_neighbours)
        start += len(block)
    out[wanted] = labels
    return out


def _voted(block: FloatArray, labels: Labels, seek: Seek, count: int) -> Labels:
    """The cluster that most of the nearest rows are in; of those as frequent, the nearest's."""
    out = np.empty(len(block), dtype=np.int32)
    for start in range(0, len(block), BLOCK):
        ids = seek(block[start : start + BLOCK], count)
        own = np.where(ids >= 0, labels[ids], -1)
        votes = (own[:, :, None] == own[:, None, :]).sum(axis=2) * (ids >= 0)
        out[start : start + BLOCK] = own[np.arange(len(own)), votes.argmax(axis=1)]
    return out
