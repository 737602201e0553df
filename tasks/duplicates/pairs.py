"""Pairs of near duplicates: neighbours by a small descriptor whose pixels then agree.

Each of `fresh` rows is compared with all; a flipped copy is found by the flipped picture.
"""

import faiss
import numpy as np
from numpy.typing import NDArray

from sortal.configs.looks import DuplicatesConfig
from sortal.storage.rows import FloatArray
from sortal.tasks.duplicates.agreement import FIRST_LOOK, agreement, descriptors
from sortal.tasks.looks.figures import SIDE
from sortal.tasks.progress import progress

_BLOCK = 8192  # pictures sought at once
_EXACT_BELOW = 100_000  # pictures: from there on they are sought in cells
_CELLS, _PROBED = 1024, 32
_VERIFIED = 4096  # pairs whose pixels are held at once

PAIRS = np.dtype(
    [("first", "i8"), ("second", "i8"), ("agreement", "f4"), ("flipped", "?"), ("cropped", "?")]
)


def near_pairs(
    grey: NDArray[np.uint8], fresh: NDArray[np.int64], config: DuplicatesConfig
) -> NDArray[np.void]:
    """Rows (first < second) of near duplicates of which one is `fresh`, as an array of PAIRS.

    `grey` has the shape (n, SIDE * SIDE).
    """
    if len(grey) < 2 or not len(fresh):
        return np.empty(0, PAIRS)
    known = np.concatenate([_described(grey[part]) for part in _parts(len(grey))])
    index = _index(known)
    candidates: list[NDArray[np.int64]] = []
    with progress("near duplicates", len(fresh), "images") as advance:
        for part in _parts(len(fresh)):
            rows = fresh[part]
            for flipped in (False, True):
                sought = _described(grey[rows], flipped)
                candidates.append(_candidates(index, sought, rows, config.neighbours))
            advance(len(rows))
    pairs = np.unique(np.concatenate(candidates), axis=0)
    parts = [_verified(grey, pairs[start : start + _VERIFIED], config) for start in
             range(0, len(pairs), _VERIFIED)]  # fmt: skip
    return np.concatenate(parts) if parts else np.empty(0, PAIRS)


def _parts(total: int) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, total, _BLOCK)]


def _pictures(grey: NDArray[np.uint8]) -> FloatArray:
    return grey.reshape(-1, SIDE, SIDE).astype(np.float32)


def _described(grey: NDArray[np.uint8], flipped: bool = False) -> FloatArray:
    pictures = _pictures(grey)
    return descriptors(pictures[:, :, ::-1] if flipped else pictures)


def _index(known: FloatArray) -> faiss.Index:
    dim = known.shape[1]
    flat = faiss.IndexFlatIP(dim)
    if len(known) < _EXACT_BELOW:
        flat.add(known)
        return flat
    cells = faiss.IndexIVFFlat(flat, dim, _CELLS, faiss.METRIC_INNER_PRODUCT)
    step = max(1, len(known) // (64 * _CELLS))
    cells.train(known[::step])
    cells.add(known)
    cells.nprobe = _PROBED
    return cells


def _candidates(
    index: faiss.Index, sought: FloatArray, rows: NDArray[np.int64], neighbours: int
) -> NDArray[np.int64]:
    """Pairs (n, 2), the lesser row first, that a first look finds alike."""
    score, found = index.search(sought, min(neighbours + 1, index.ntotal))
    one = np.repeat(rows, found.shape[1])
    pairs = np.stack([one, found.ravel()], axis=1)
    alike = (score.ravel() >= FIRST_LOOK) & (pairs[:, 1] >= 0) & (pairs[:, 0] != pairs[:, 1])
    return np.sort(pairs[alike], axis=1)


def _verified(
    grey: NDArray[np.uint8], pairs: NDArray[np.int64], config: DuplicatesConfig
) -> NDArray[np.void]:
    """Those of `pairs` whose pixels agree."""
    found = agreement(_pictures(grey[pairs[:, 0]]), _pictures(grey[pairs[:, 1]]))
    rows = np.empty(len(pairs), PAIRS)
    columns = (pairs[:, 0], pairs[:, 1], *found)
    for name, column in zip(PAIRS.names or (), columns, strict=True):
        rows[name] = column
    return rows[rows["agreement"] >= config.agreement]
