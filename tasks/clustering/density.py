"""Density: clusters are where images are crowded (HDBSCAN); those between them are in none.

HDBSCAN is fitted on so many images as it can bear. Any other image joins the cluster of a fitted
image that is near it, by the rule of the tree that HDBSCAN builds, or none.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from sortal.configs.partition import PartitionConfig
from sortal.storage.rows import FloatArray, Rows, as_rows
from sortal.tasks.arrays import normalise
from sortal.tasks.clustering.assignments import NO_KIND, Labels
from sortal.tasks.clustering.kmeans import (
    KMeansResult,
    finite_blocks,
    fit_numbers,
    fit_rows,
    size_order,
)
from sortal.tasks.clustering.means import cluster_means, leading_axes, own_distances

MEMBERS = "members.npz"
_SEEN = 16  # nearest fitted images by which another is placed
_SAME = 1e-4  # distance of images that are one


@dataclass(frozen=True)
class Members:
    """The images HDBSCAN was fitted on: `rows` (m, r) along `axes` (d, r) about `mean` (d,).

    `labels` (m,), -1 for none; `cores` (m,) the distance within which an image has `min_samples`;
    `reach` (C,) up to how far from its nearest a cluster has members.
    """

    mean: FloatArray
    axes: FloatArray
    rows: FloatArray
    labels: Labels
    cores: FloatArray
    reach: FloatArray
    min_samples: int
    spherical: bool

    def placed(self, block: FloatArray) -> Labels:
        """The cluster (b,) of images (b, d), whose unit rows were fitted; -1 for none.

        The distance of an image to a fitted one is the largest of theirs and of both cores, as in
        HDBSCAN's tree; it joins the nearest image that is in a cluster, if within its reach.
        """
        small = self.reduced(block)
        count = min(max(_SEEN, self.min_samples), len(self.rows))
        squared, ids = faiss.knn(small, self.rows, count)
        far = np.sqrt(np.maximum(squared, 0.0))
        own_core = far[:, [max(min(self.min_samples - 1, count) - 1, 0)]]  # with itself
        reached = np.maximum(np.maximum(far, self.cores[ids]), own_core)
        kinds = self.labels[ids]
        reached = np.where(kinds >= 0, reached, np.inf)
        best = reached.argmin(axis=1)
        line = np.arange(len(block))
        kind = kinds[line, best]
        within = np.r_[self.reach, -np.inf][kind]  # the last is that of -1
        found = np.where(reached[line, best] <= within, kind, NO_KIND)
        return np.where(far[:, 0] < _SAME, kinds[:, 0], found).astype(np.int32)

    def reduced(self, block: FloatArray) -> FloatArray:
        """Rows (b, r) of images (b, d) along the axes, of unit length where `spherical`."""
        rows = np.asarray((block - self.mean) @ self.axes, dtype=np.float32)
        return normalise(rows) if self.spherical else rows

    def write(self, folder: Path) -> None:
        """Keep them as `members.npz`, for images to come."""
        np.savez(folder / MEMBERS, **vars(self))

    @classmethod
    def read(cls, path: Path) -> "Members":
        """Those that `write` kept."""
        with np.load(path) as kept:
            held = {name: kept[name] for name in kept.files}
        alone = {"min_samples": int(held["min_samples"]), "spherical": bool(held["spherical"])}
        return cls(**held | alone)


def density(
    vectors: Rows | NDArray[np.floating], config: PartitionConfig, *, random_state: int
) -> tuple[KMeansResult, Members]:
    """Clusters of `vectors` (n_rows, dim), as many as there are: none at all where none is dense.

    The result is as of `kmeans`, by decreasing size, with -1 for images that are in no cluster;
    `inertia` is of the others. Centres are means of clusters.
    """
    rows, rule = as_rows(vectors), config.density
    total = rows.shape[0]
    rng = np.random.default_rng(random_state)
    wanted = fit_numbers(total, rule.fit_rows, rng, "density")
    members = _fit(fit_rows(rows, config.spherical, wanted), config, total)
    labels = members.labels
    if len(wanted) < total:
        blocks = finite_blocks(rows, config.spherical)
        labels = np.concatenate([members.placed(block) for block in blocks])
        labels[wanted] = members.labels
    order, rank = size_order(labels, len(members.reach))
    labels = rank[labels]
    members = replace(members, labels=rank[members.labels], reach=members.reach[order])
    centres = cluster_means(rows, labels, len(order), spherical=config.spherical)
    distances = own_distances(rows, centres, labels)
    inertia = float(2 * distances[labels >= 0].sum(dtype=np.float64))
    return KMeansResult(centres, labels, distances, inertia, 0, 0, len(wanted)), members


def _fit(data: FloatArray, config: PartitionConfig, total: int) -> Members:
    """HDBSCAN on rows (m, d), a sample of `total`; a cluster's least size is that of the sample."""
    rule, mean = config.density, data.mean(axis=0, dtype=np.float64).astype(np.float32)
    axes = leading_axes(data - mean, rule.dim)
    small = np.asarray((data - mean) @ axes, dtype=np.float32)
    if config.spherical:
        small = normalise(small)
    size = max(round(rule.size(total) * len(data) / total), 2)
    min_samples = min(rule.min_samples, len(data))
    labels = np.full(len(data), NO_KIND, dtype=np.int32)
    if len(data) >= max(size, 2):
        labels = _hdbscan(small, size, min_samples, rule.selection)
    cores = np.sqrt(np.maximum(faiss.knn(small, small, min_samples)[0][:, -1], 0.0))
    reach = _reach(small, labels, cores)
    return Members(mean, axes, small, labels, cores, reach, min_samples, config.spherical)


def _hdbscan(small: FloatArray, size: int, min_samples: int, selection: str) -> Labels:
    from sklearn.cluster import HDBSCAN  # a run in which nothing changed spares its import

    model = HDBSCAN(
        min_cluster_size=size,
        min_samples=min_samples,
        cluster_selection_method=selection,
        copy=True,
    )
    found: Labels = model.fit(small).labels_.astype(np.int32)
    return found


def _reach(small: FloatArray, labels: Labels, cores: FloatArray) -> FloatArray:
    """Up to how far from its nearest each cluster (C,) has members, as distances are measured."""
    found = np.zeros(int(labels.max(initial=-1)) + 1, dtype=np.float32)
    for cluster in range(len(found)):
        own = np.flatnonzero(labels == cluster)
        squared, ids = faiss.knn(small[own], small[own], min(_SEEN, len(own)))
        core = cores[own]
        far = np.maximum(np.sqrt(np.maximum(squared, 0.0)), np.maximum(core[ids], core[:, None]))
        far[ids == np.arange(len(own))[:, None]] = np.inf
        near = far.min(axis=1)
        found[cluster] = near[np.isfinite(near)].max(initial=0.0)
    return found
