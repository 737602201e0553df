"""How far two pictures agree: the correlation of their 32 x 32 grey pixels, crops and flips tried.

Vectors find what shows the same; pixels tell a copy from another photograph of the same scene.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from sortal.storage.rows import FloatArray
from sortal.tasks.looks.figures import SIDE

FIRST_LOOK = 0.65  # copies have 0.8 and more, 1 of 5,000 other pairs has as much [infer]
_CUTS = (0.0, 0.025, 0.05)  # of a side that a copy may lack, at one end or at both
_CROPPED = 0.05  # by which a window must agree better than the whole, for a picture to be cropped
_COARSE = 8  # pixels a side of a first look
_PAIRS = 64  # at once, so that what is tried of them fits into memory


class Agreement(NamedTuple):
    """Of pairs: the best correlation, and whether it was with the second flipped, or with a crop.

    Arrays of shape (n_pairs,): float32, bool, bool.
    """

    score: FloatArray
    flipped: NDArray[np.bool_]
    cropped: NDArray[np.bool_]


def descriptors(pictures: FloatArray) -> FloatArray:
    """Unit vectors (n, 64) of grey pictures (n, SIDE, SIDE): what is not smooth in 8 x 8 pixels.

    Those of copies have an inner product of FIRST_LOOK or more; one of a single colour is 0.
    """
    return _unit(_detail(_small(pictures)))


@cache
def _windows() -> FloatArray:
    """Matrices (n, SIDE, SIDE): a row of pixels as it is, and each part of it, drawn out to SIDE.

    The first is the identity.
    """
    ends = [(head, tail) for head in _CUTS for tail in _CUTS]
    return np.stack([_stretched(head, 1 - tail) for head, tail in ends]).astype(np.float32)


def _stretched(start: float, stop: float) -> NDArray[np.float64]:
    """The matrix (SIDE, SIDE) that averages equal parts of [start, stop] of a row of pixels."""
    edges = SIDE * np.linspace(start, stop, SIDE + 1)
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(SIDE)[None, :]
    overlap = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)
    return overlap / overlap.sum(axis=1, keepdims=True)


def agreement(first: FloatArray, second: FloatArray) -> Agreement:
    """The agreement of grey pictures in pairs, both of shape (n_pairs, SIDE, SIDE)."""
    n = len(first)
    found = Agreement(np.zeros(n, np.float32), np.zeros(n, bool), np.zeros(n, bool))
    for start in range(0, n, _PAIRS):
        part = slice(start, start + _PAIRS)
        for column, values in zip(found, _closer(first[part], second[part]), strict=True):
            column[part] = values
    return found


def _closer(
    first: FloatArray, second: FloatArray
) -> tuple[FloatArray, NDArray[np.bool_], NDArray[np.bool_]]:
    """The best over every window of either picture on the whole of the other, flipped or not."""
    tries = []
    for whole, parts in ((first, second), (second, first)):
        views = _unit(_detail(_all_windows(parts)))  # (n, n_windows, SIDE * SIDE)
        for turned in (whole, whole[:, :, ::-1]):
            tries.append(np.einsum("nd,nwd->nw", _unit(_detail(turned)), views))
    scores = np.stack(tries, axis=1)  # (n, 4, n_windows)
    best = scores.reshape(len(first), -1).argmax(axis=1)
    kind = best // scores.shape[2]
    score = scores.max(axis=(1, 2))
    cropped = score > scores[:, :, 0].max(axis=1) + _CROPPED
    return score, kind % 2 == 1, cropped


def _all_windows(pictures: FloatArray) -> FloatArray:
    """Every window of each, of shape (n, n_windows, SIDE, SIDE)."""
    cut = _windows()
    rows = np.matmul(cut[None], pictures[:, None])  # (n, w, SIDE, SIDE)
    both = np.matmul(rows[:, :, None], cut.transpose(0, 2, 1)[None, None])
    return both.reshape(len(pictures), -1, SIDE, SIDE)


def _detail(pictures: FloatArray) -> FloatArray:
    """Pictures without what is smooth in them: the mean of the 5 x 5 pixels around each."""
    return pictures - uniform_filter(pictures, (*(0,) * (pictures.ndim - 2), 5, 5), mode="nearest")


def _small(pictures: FloatArray) -> FloatArray:
    step = SIDE // _COARSE
    return pictures.reshape(-1, _COARSE, step, _COARSE, step).mean(axis=(2, 4))


def _unit(pictures: FloatArray) -> FloatArray:
    """Flattened over the last two axes, centred and of unit length; those of one colour are 0."""
    flat = np.ascontiguousarray(pictures).reshape(*pictures.shape[:-2], -1)
    flat = flat - flat.mean(axis=-1, keepdims=True)
    norm = np.linalg.norm(flat, axis=-1, keepdims=True)
    return np.divide(flat, norm, out=np.zeros_like(flat), where=norm > 1e-3)
