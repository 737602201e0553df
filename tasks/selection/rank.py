"""Ranking: the texts of a corpus that are closest to the centres of a collection's images."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sortal.configs.partition import PartitionConfig
from sortal.configs.schema import Selection, SelectionConfig
from sortal.storage.rows import FloatArray, Rows, as_rows
from sortal.tasks.arrays import mean_of, normalise
from sortal.tasks.clustering.kmeans import count_distinct, fit_centres, kmeans

_BLOCK_ENTRIES = 1 << 24  # centres x texts compared at once
_FIT_ROWS_PER_CENTRE = 50  # images a centre is fitted on where not all are, at the least [infer]


@dataclass(frozen=True)
class Ranked:
    """Texts proposed for centres: three parallel arrays, at most top_k entries a centre.

    `rank_texts` gives them by centre, and for each centre the best first.
    """

    centre: NDArray[np.int64]
    text: NDArray[np.int64]
    score: FloatArray


def count_centres(n_images: int, n_clusters: int, config: SelectionConfig) -> int:
    """How many image centres: round(n_images / images_per_centre), as TAC has it.

    Where that is below `n_clusters` it is centres_per_cluster * n_clusters; never more than a
    third of the images, so that a centre stays a mean, nor than `max_centres`, or
    centres_per_cluster * n_clusters where that is more. See docs/methods.md, "Semantic space".
    """
    count = round(n_images / config.images_per_centre)
    least = config.centres_per_cluster * n_clusters
    if count < n_clusters:
        count = least
    if config.max_centres is not None:
        count = min(count, max(config.max_centres, least))
    return max(min(count, n_images // 3), 1)


def bounded_centres(n_images: int, n_clusters: int, config: SelectionConfig) -> int | None:
    """How many image centres where `max_centres` is what bounds them; None where it is not."""
    count = count_centres(n_images, n_clusters, config)
    free = count_centres(n_images, n_clusters, config.model_copy(update={"max_centres": None}))
    return count if count < free else None


def image_centres(
    images: Rows | FloatArray,
    n_centres: int,
    *,
    n_init: int,
    random_state: int,
    max_rows: int | None = None,
) -> FloatArray:
    """Unit centres of shape (k, dim) by spherical k-means, k at most the distinct images.

    `max_rows`: they are fitted on so many images (see `rows_fitted`), in one start, since others
    choose no better texts, and are in no order.
    """
    rows = as_rows(images)
    n_centres = min(n_centres, count_distinct(rows, n_centres))
    if n_centres < 2:
        return normalise(mean_of(rows)[None, :])
    if max_rows is not None:
        once = PartitionConfig(n_init=1)
        return fit_centres(rows, n_centres, once, random_state, max_rows=max_rows).centres
    config = PartitionConfig(n_init=n_init)
    return kmeans(
        rows, n_centres, config, random_state=random_state, max_rows=rows.shape[0]
    ).centres


def rows_fitted(n_images: int, n_clusters: int, config: SelectionConfig) -> int | None:
    """How many images centres are fitted on; None where it is all of them."""
    most = _FIT_ROWS_PER_CENTRE * count_centres(n_images, n_clusters, config)
    wanted = max(config.fit_rows, most)
    return wanted if wanted < n_images else None


def select_texts(
    centres: FloatArray,
    texts: Rows | FloatArray,
    *,
    method: Selection,
    top_k: int,
    block_size: int | None = None,
) -> NDArray[np.int64]:
    """Row numbers, ascending, of the texts that `rank_texts` keeps for any centre."""
    ranked = rank_texts(centres, texts, method=method, top_k=top_k, block_size=block_size)
    return np.unique(ranked.text)


def rank_texts(
    centres: FloatArray,
    texts: Rows | FloatArray,
    *,
    method: Selection,
    top_k: int,
    block_size: int | None = None,
) -> Ranked:
    """The texts kept for each centre of shape (k, dim), by their row numbers.

    "nearest": the `top_k` texts of the largest cosine to each centre (CAE, SIC).
    "reverse_softmax": a softmax over centres (temperature 1) gives each text to its best centre;
    each centre keeps its `top_k` most confident (TAC). See docs/methods.md, "Semantic space".
    Equal scores go to the earlier text. `block_size`: texts compared at once.
    """
    propose: Callable[[FloatArray, int], Ranked] = {
        "nearest": _nearest,
        "reverse_softmax": _reverse_softmax,
    }[method]
    held = Ranked(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    start = 0
    for block in as_rows(texts).blocks(block_size or max(_BLOCK_ENTRIES // len(centres), 1)):
        found = propose(centres @ block.T, top_k)
        held = _best(held, replace(found, text=found.text + start), top_k)
        start += len(block)
    return held


def _nearest(cosines: FloatArray, top_k: int) -> Ranked:
    """Every text that ties with or beats the top_k-th of its centre in `cosines` (k, block)."""
    worst = max(cosines.shape[1] - top_k, 0)
    limit = np.partition(cosines, worst, axis=1)[:, worst]
    centre, text = np.nonzero(cosines >= limit[:, None])
    return Ranked(centre, text, cosines[centre, text])


def _reverse_softmax(cosines: FloatArray, top_k: int) -> Ranked:
    """Each text of `cosines` (k, block) with its best centre and max_k softmax_k(cosines)."""
    centre = cosines.argmax(axis=0)
    text = np.arange(cosines.shape[1])
    confidence = 1.0 / np.exp(cosines - cosines[centre, text]).sum(axis=0)
    return Ranked(centre, text, confidence.astype(np.float32))


def _best(held: Ranked, found: Ranked, top_k: int) -> Ranked:
    """The `top_k` best of both for each centre."""
    centre = np.concatenate([held.centre, found.centre])
    text = np.concatenate([held.text, found.text])
    score = np.concatenate([held.score, found.score])
    order = np.lexsort((text, -score, centre))
    ordered = centre[order]
    rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    kept = order[rank < top_k]
    return Ranked(centre[kept], text[kept], score[kept])
