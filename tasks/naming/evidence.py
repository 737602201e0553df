"""Evidence: how much of what a cluster's images are like speaks for each text of a corpus.

Every text of the corpus competes, so that a text counts by how much better it fits than random
ones; a part of the collection's mean image is taken away, so that it counts by how much better it
fits than it does other clusters' images.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sortal.configs.modalities import NamingConfig
from sortal.storage.rows import FloatArray, Rows, as_rows
from sortal.tasks.arrays import centre, mean_of
from sortal.tasks.naming.synonyms import Concepts

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_BLOCK = 256  # rows compared with all texts at a time
_TRACE = float(np.log(1e-4))  # [infer] evidence below this part of the best noun's is none


class Fits:
    """How well vectors fit the texts of a corpus, of shape (M, d).

    A fit is (x - contrast m) . t, where m is the mean of the collection's images, and texts are
    centred: without the mean of all, to which common and odd texts lie unequally near.
    """

    def __init__(self, texts: FloatArray, mean: FloatArray, config: NamingConfig) -> None:
        self._middle, self._mean = mean_of(texts), mean
        self.texts, self.config = centre(texts, self._middle), config
        self.usual: FloatArray = self.texts @ mean  # (M,), how the mean image fits

    def plain(self, vectors: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
        """Rows of `vectors` (n, d), block by block, with fits (rows, M) at contrast 0."""
        for start in range(0, len(vectors), _BLOCK):
            part = slice(start, start + _BLOCK)
            yield part, vectors[part] @ self.texts.T

    def blocks(self, vectors: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
        """Rows of `vectors` (n, d), block by block, with their fits (rows, M)."""
        for part, fits in self.plain(vectors):
            yield part, fits - self.config.contrast * self.usual

    def of(self, vectors: FloatArray, texts: FloatArray) -> FloatArray:
        """Fits (n, W) of `vectors` (n, d) and `texts` (W, d) that need not be of the corpus."""
        others = centre(texts, self._middle)
        found: FloatArray = (vectors - self.config.contrast * self._mean) @ others.T
        return found


class Evidence:
    """Fits of nouns as evidence for concepts: softmax(sharpness z), z their fits standardised.

    A concept fits as well as its best noun; pooled evidence adds up that for all kinds of it.
    """

    def __init__(self, fits: Fits, concepts: Concepts) -> None:
        self.fits, self.concepts = fits, concepts
        self._order = np.argsort(concepts.of, kind="stable")
        ordered = concepts.of[self._order]
        self._starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])

    def shares(self, vectors: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
        """Shares (rows, K), in [0, 1], of the evidence that is for each concept or a kind of it."""
        for part, fits in self.fits.blocks(vectors):
            powers = np.exp(self._logits(fits, self.fits.config.sharpness))
            powers /= powers.sum(axis=1, keepdims=True)
            yield part, self.concepts.pool(powers)

    def borne(
        self, vectors: FloatArray, labels: NDArray[np.int64], n_clusters: int
    ) -> "list[csr_matrix]":
        """Mean shares (C, n_own) of the evidence that images give each concept with nouns alone.

        Images count one by one. One matrix for each contrast of `contrasts`; traces of evidence
        count as none.
        """
        from scipy.sparse import csr_matrix

        config = self.fits.config
        shape = n_clusters, self.concepts.n_own
        found = [csr_matrix(shape, dtype=np.float32) for _ in config.contrasts]
        each = 1.0 / np.maximum(np.bincount(labels, minlength=n_clusters), 1)
        for part, fits in self.fits.plain(vectors):
            for place, contrast in enumerate(config.contrasts):
                logits = self._logits(fits - contrast * self.fits.usual, config.image_sharpness)
                rows, columns = np.nonzero(logits > _TRACE)
                powers = np.exp(logits[rows, columns])
                powers *= (each[labels[part]] / np.bincount(rows, powers))[rows]
                found[place] += csr_matrix((powers, (labels[part][rows], columns)), shape)
        return found

    def _logits(self, fits: FloatArray, sharpness: float) -> FloatArray:
        """Sharpness z (rows, n_own), of which the best of each row is 0."""
        own: FloatArray = np.maximum.reduceat(fits[:, self._order], self._starts, axis=1)
        spread = np.maximum(own.std(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        own -= own.max(axis=1, keepdims=True)
        own *= sharpness / spread
        return own


def middles(rows: Rows | FloatArray, labels: NDArray[np.int64], n_clusters: int) -> FloatArray:
    """Mean vectors (C, d) of the images of each cluster; zero for an empty one."""
    from scipy.sparse import csr_matrix

    rows, start = as_rows(rows), 0
    totals = np.zeros((n_clusters, rows.shape[1]))
    for block in rows.blocks(16384):
        inside = np.flatnonzero(labels[start : start + len(block)] >= 0)
        place = labels[start + inside], inside
        totals += csr_matrix((np.ones(len(inside)), place), (n_clusters, len(block))) @ block
        start += len(block)
    counts = np.bincount(labels[labels >= 0], minlength=n_clusters)
    return (totals / np.maximum(counts, 1)[:, None]).astype(np.float32)


def sampled(labels: NDArray[np.int64], n_clusters: int, most: int) -> NDArray[np.int64]:
    """Rows of at most about `most` images, ascending: as many of each cluster, evenly spread."""
    each = max(most // max(n_clusters, 1), 8)
    order = np.argsort(labels, kind="stable")
    edges = np.searchsorted(labels[order], np.arange(n_clusters + 1))
    taken = [
        order[a:b][np.linspace(0, b - a - 1, min(each, b - a)).round().astype(np.int64)]
        for a, b in pairwise(edges)
        if b > a
    ]
    return np.sort(np.concatenate(taken)) if taken else np.empty(0, dtype=np.int64)
