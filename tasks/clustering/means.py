"""Means of clusters that were found otherwise, how far images are from them, and main directions.

An image in no cluster has the label `NO_KIND`, and the distance to the centre that is nearest.
"""

import numpy as np

from sortal.storage.rows import FloatArray, Rows
from sortal.tasks.arrays import mean_of, normalise
from sortal.tasks.clustering.assignments import Labels
from sortal.tasks.clustering.kmeans import BLOCK, KMeansResult, finite_blocks, label_rows
from sortal.tasks.clustering.lloyd import means_of


def cluster_means(rows: Rows, labels: Labels, n_clusters: int, *, spherical: bool) -> FloatArray:
    """Mean row (n_clusters, dim) of each cluster, of unit length where `spherical`."""
    totals, start = np.zeros((n_clusters, rows.shape[1])), 0
    for block in finite_blocks(rows, spherical):
        own = labels[start : start + len(block)]
        inside = own >= 0
        counts = np.bincount(own[inside], minlength=n_clusters)
        totals += means_of(block[inside], own[inside], n_clusters) * counts[:, None]
        start += len(block)
    sizes = np.bincount(labels[labels >= 0], minlength=n_clusters)
    means = (totals / np.maximum(sizes, 1)[:, None]).astype(np.float32)
    return normalise(means) if spherical else means


def own_distances(rows: Rows, centres: FloatArray, labels: Labels) -> FloatArray:
    """Cosine distances (n,) of rows to the centre of their own cluster.

    In no cluster it is that to the nearest centre; where there is none, to the mean of all rows.
    """
    found, start = np.empty(len(labels), dtype=np.float32), 0
    unit = normalise(centres if len(centres) else mean_of(rows)[None])
    for block in finite_blocks(rows, spherical=True):
        own = labels[start : start + len(block)]
        cosines = np.empty(len(block), dtype=np.float32)
        inside = own >= 0
        cosines[inside] = np.einsum("nd,nd->n", block[inside], unit[own[inside]])
        cosines[~inside] = (block[~inside] @ unit.T).max(axis=1)
        found[start : start + len(block)] = np.clip(1.0 - cosines, 0.0, 2.0)
        start += len(block)
    return found


def leading_axes(data: FloatArray, dim: int) -> FloatArray:
    """The `dim` leading directions (d, dim) of rows (n, d), or as many as they have."""
    products = np.zeros((data.shape[1], data.shape[1]))
    for start in range(0, len(data), BLOCK):
        block = data[start : start + BLOCK]
        products += block.T @ block
    axes = np.linalg.eigh(products)[1][:, ::-1][:, :dim]
    return np.ascontiguousarray(axes, dtype=np.float32)


def share_nearest_own(rows: Rows, result: KMeansResult, *, spherical: bool) -> float:
    """The share of the images in a cluster that are nearest to its centre: 1 for k-means."""
    inside = result.labels >= 0
    if not inside.any():
        return 1.0
    found = label_rows(rows, result.centres, spherical=spherical)[0]
    return float(np.mean(found[inside] == result.labels[inside]))
