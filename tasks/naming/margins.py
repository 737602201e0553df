"""Margins: how far a noun is ahead of every other thing that a cluster's images may show."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sortal.configs.modalities import NamingConfig
from sortal.storage.rows import FloatArray
from sortal.tasks.naming.evidence import Evidence

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_BLOCK = 1024  # clusters compared with all others at a time


def likeness(
    centres: FloatArray, sizes: NDArray[np.int64], mean: FloatArray, config: NamingConfig
) -> "csr_matrix":
    """Weights (C, C), each row of sum 1, with which clusters' evidence counts for a cluster.

    Its own has 1, and each of the `neighbours` most alike clusters neighbour_weight x cosine /
    neighbours, cosines being of centres (C, d) without the collection's `mean`, at least 0.
    """
    from scipy.sparse import csr_matrix, identity

    away = centres - mean
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    count, near = len(centres), min(config.neighbours, len(centres) - 1)
    if near < 1:
        return csr_matrix(identity(count))
    weights = csr_matrix((count, count))
    for start in range(0, count, _BLOCK):
        alike = away[start : start + _BLOCK] @ away.T
        alike[:, sizes == 0] = 0
        own = np.arange(len(alike))
        alike[own, start + own] = -1
        best = np.argpartition(-alike, near - 1, axis=1)[:, :near]
        found = np.maximum(np.take_along_axis(alike, best, axis=1), 0)
        rows = np.repeat(start + own, near)
        weights += csr_matrix((found.ravel(), (rows, best.ravel())), (count, count))
    mixed = csr_matrix(identity(count) + weights * (config.neighbour_weight / near))
    return csr_matrix(mixed.multiply(1 / mixed.sum(axis=1)))


class Margins:
    """How sure nouns are of clusters, by the images one by one and those of clusters alike.

    A noun has e / (e + r): e the evidence for it and its kinds, r that for whichever thing is
    neither a kind of it nor what it is a kind of and has most. The lowest counts, of all contrasts.
    """

    def __init__(
        self,
        evidence: Evidence,
        vectors: FloatArray,
        labels: NDArray[np.int64],
        alike: "csr_matrix",
    ) -> None:
        concepts = evidence.concepts
        self._above, self._below = concepts.above, concepts.above.T.tocsr()
        each = evidence.borne(vectors, labels, alike.shape[0])
        self._borne = [(alike @ found @ concepts.above).tocsr() for found in each]

    def of(self, cluster: int, nouns: NDArray[np.int64]) -> NDArray[np.float64]:
        """How sure concepts `nouns` (n,) are of a cluster, in [0, 1]; 1 where nothing rivals."""
        kin = [
            {*self._above[noun].indices.tolist(), *self._below[noun].indices.tolist()}
            for noun in nouns
        ]
        sure = np.ones(len(nouns))
        for borne in self._borne:
            row = borne[cluster]
            order = np.argsort(-row.data, kind="stable")
            best = list(zip(row.indices[order].tolist(), row.data[order].tolist(), strict=True))
            shares = dict(best)
            for place, noun in enumerate(nouns.tolist()):
                own = shares.get(noun, 0.0)
                rival = next((share for other, share in best if other not in kin[place]), 0.0)
                sure[place] = min(sure[place], own / (own + rival) if own else 0.0)
        return sure
