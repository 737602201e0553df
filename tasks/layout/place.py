"""Laying out images: t-SNE of landmarks, and every other image between the nearest of them.

t-SNE is van der Maaten and Hinton (2008), by scikit-learn. An image that comes later is placed
among the landmarks there are, so that no point of before moves.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sortal.configs.looks import MapConfig
from sortal.storage.rows import FloatArray, Rows
from sortal.tasks.arrays import centre
from sortal.tasks.progress import progress

_BLOCK = 8192
_REDUCED = 50  # dimensions that t-SNE sees, as its authors do
_JITTER = 0.15  # of the distance between neighbouring landmarks: equal pictures do not cover others


def landmarks_of(total: int, config: MapConfig) -> NDArray[np.int64]:
    """The rows that are landmarks, ascending: all of them where they are few."""
    if total <= config.landmarks:
        return np.arange(total)
    return np.sort(np.random.default_rng(0).choice(total, config.landmarks, replace=False))


def lay_out(vectors: FloatArray, config: MapConfig) -> FloatArray:
    """Places (n, 2) of centred unit vectors (n, d), within about [-1, 1]."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    n = len(vectors)
    if n < 5:
        return np.stack([np.linspace(-1, 1, n), np.zeros(n)], axis=1).astype(np.float32)
    reduced = PCA(min(_REDUCED, n - 1, vectors.shape[1]), random_state=0).fit_transform(vectors)
    perplexity = min(config.perplexity, (n - 1) / 3)
    layout = TSNE(
        perplexity=perplexity, init="pca" if reduced.shape[1] > 1 else "random", random_state=0
    )
    places = layout.fit_transform(reduced)
    places -= places.mean(axis=0)
    return (places / max(float(np.abs(places).max()), 1e-9)).astype(np.float32)


def place_rows(
    rows: Rows, mean: FloatArray, landmarks: FloatArray, places: FloatArray, config: MapConfig
) -> FloatArray:
    """Places (n_rows, 2): each between the nearest of the landmarks, the nearer the heavier."""
    blocks = list(_placed(rows, mean, landmarks, places, config))
    return np.concatenate(blocks) if blocks else np.empty((0, 2), np.float32)


def _placed(
    rows: Rows, mean: FloatArray, landmarks: FloatArray, places: FloatArray, config: MapConfig
) -> Iterator[FloatArray]:
    count = min(config.neighbours, len(landmarks))
    spread = _JITTER / max(np.sqrt(len(landmarks)), 1.0)
    noise = np.random.default_rng(0)
    with progress("placing on the map", rows.shape[0], "images") as advance:
        for block in rows.blocks(_BLOCK):
            near = centre(block, mean) @ landmarks.T
            best = np.argpartition(-near, count - 1, axis=1)[:, :count]
            likeness = np.take_along_axis(near, best, axis=1)
            weight = np.exp((likeness - likeness.max(axis=1, keepdims=True)) / 0.05)
            weight /= weight.sum(axis=1, keepdims=True)
            place = np.einsum("nk,nkc->nc", weight, places[best])
            yield (place + noise.normal(0, spread, place.shape)).astype(np.float32)
            advance(len(block))
