"""Captions: what a cluster's images look like, where a caption fits them and speaks of its noun."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray
from sortal.tasks.naming.evidence import Fits
from sortal.tasks.naming.names import Term
from sortal.tasks.naming.synonyms import Concepts, singular

BEST = 0.01  # [infer] share of all captions that fit an image: so often a random caption would
_CANDIDATES = 200  # captions of each cluster that are read
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@dataclass(frozen=True)
class Caption:
    """A caption of a cluster.

    `fits` is the share of its images that it fits, `more` by how much more that is than of others.
    """

    text: str
    fits: float
    more: float


def best_captions(
    fits: Fits,
    texts: Sequence[str],
    vectors: FloatArray,
    labels: NDArray[np.int64],
    n_clusters: int,
) -> list[list[Caption]]:
    """Captions of each cluster, best first: those that fit its images more than others' images.

    A caption fits an image when it is among the best 1 % of all captions for it.
    """
    count = max(round(BEST * len(texts)), 1)
    hits = np.zeros((n_clusters, len(texts)), dtype=np.float32)
    for part, found in fits.blocks(vectors):
        best = np.argpartition(-found, count - 1, axis=1)[:, :count]
        places, times = np.unique(labels[part, None] * len(texts) + best, return_counts=True)
        hits.ravel()[places] += times
    sizes = np.bincount(labels, minlength=n_clusters)
    total = hits.sum(axis=0)
    captions = []
    for cluster, size in enumerate(sizes):
        own = hits[cluster] / max(size, 1)
        more = own - (total - hits[cluster]) / max(len(labels) - size, 1)
        order = np.argsort(-more, kind="stable")[:_CANDIDATES]
        captions.append(
            [Caption(texts[i], float(own[i]), float(more[i])) for i in order if more[i] > 0]
        )
    return captions


def speaking_of(
    captions: Sequence[Caption], noun: Term | None, concepts: Concepts, least: float
) -> list[Caption]:
    """Those captions that fit at least this share of the images, and name the noun or a kind."""
    if noun is None:
        return []
    words = {singular(concepts.names[kind]) for kind in concepts.kinds_of(noun.concept)}
    longest = max(len(word.split()) for word in words)
    return [
        caption
        for caption in captions
        if caption.fits >= least and words & _said(caption.text, longest)
    ]


def _said(text: str, longest: int) -> set[str]:
    """The singular words of a text, and runs of at most `longest` of them."""
    words = _WORD.findall(text.casefold())
    runs = (
        " ".join(words[start : start + length])
        for length in range(1, longest + 1)
        for start in range(len(words) - length + 1)
    )
    return {singular(run) for run in runs}
