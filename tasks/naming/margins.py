"""Margins: how far a noun is ahead of every other thing that a cluster's images may show."""

from collections.abc import Container, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sortal.configs.modalities import NamingConfig
from sortal.storage.rows import FloatArray
from sortal.tasks.naming.evidence import Evidence
from sortal.tasks.naming.synonyms import entries

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
        self._concepts = concepts
        each = evidence.borne(vectors, labels, alike.shape[0])
        self._alone = [(found @ concepts.above[: concepts.n_own]).tocsr() for found in each]
        self._mixed = [(alike @ found).tocsr() for found in self._alone]

    def of(self, cluster: int, nouns: NDArray[np.int64]) -> NDArray[np.float64]:
        """How sure concepts `nouns` (n,) are of a cluster, in [0, 1]; 1 where nothing rivals."""
        return self._ahead(self._mixed, cluster, nouns, range(self._concepts.n_own))

    def of_its_own(
        self, cluster: int, nouns: NDArray[np.int64], rivals: Container[int]
    ) -> NDArray[np.float64]:
        """The same by the cluster's own images alone, with no rivals but these."""
        return self._ahead(self._alone, cluster, nouns, rivals)

    def kinds_of(self, noun: int) -> set[int]:
        """All concepts below a noun, without those that are the same."""
        return self._concepts.kinds_of(noun) - self._concepts.over(noun)

    def shares(self, cluster: int, noun: int, others: AbstractSet[int]) -> dict[int, float]:
        """What `others` have of the evidence of a cluster that is for a noun, or for them.

        By its own images; the lowest counts, of all contrasts.
        """
        found: dict[int, float] = {}
        below = self._concepts.kinds_of(noun)
        for place, borne in enumerate(self._alone):
            columns, values = entries(borne, cluster)
            row = dict(zip(columns.tolist(), values.tolist(), strict=True))
            own = row.get(noun, 0.0)
            parts = {
                other: row[other] / (own if other in below else own + row[other])
                for other in row.keys() & others
            }
            found = (
                parts
                if not place
                else {
                    other: min(share, found[other])
                    for other, share in parts.items()
                    if other in found
                }
            )
        return found

    def _ahead(
        self,
        each: "Sequence[csr_matrix]",
        cluster: int,
        nouns: NDArray[np.int64],
        rivals: Container[int],
    ) -> NDArray[np.float64]:
        kin = [self._concepts.over(noun) | self._concepts.kinds_of(noun) for noun in nouns.tolist()]
        sure = np.ones(len(nouns))
        for borne in each:
            columns, values = entries(borne, cluster)
            order = np.argsort(-values, kind="stable")
            shares = dict(zip(columns[order].tolist(), values[order].tolist(), strict=True))
            for place, noun in enumerate(nouns.tolist()):
                own = shares.get(noun, 0.0)
                others = (
                    share
                    for other, share in shares.items()
                    if other in rivals and other not in kin[place]
                )
                rival = next(others, 0.0)
                sure[place] = min(sure[place], own / (own + rival) if own else 0.0)
        return sure
