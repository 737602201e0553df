"""Whether a written name fits its cluster: by the encoder alone, whoever wrote it.

A name is as sure as the share of the cluster's images for which it is among the best 1 % of all
nouns, so better than random texts; and as surely as one of these images fits it better than an
image of another cluster, whichever cluster fits it best.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray
from sortal.tasks.naming.captions import BEST
from sortal.tasks.naming.evidence import Fits
from sortal.tasks.naming.shown import Shown
from sortal.tasks.naming.synonyms import singular


def confidences(
    fits: Fits, shown: Shown, clusters: Sequence[int], texts: FloatArray
) -> NDArray[np.float64]:
    """How sure each name is, (W,) in [0, 1]: of `clusters` (W,), with vectors `texts` (W, d).

    min(share of images that it fits, 2 P(own image fits it better than another's) - 1), times
    n / (n + 1) for n images, as of names that are found.
    """
    count = max(round(BEST * len(fits.texts)), 1)
    bar = np.empty(len(shown.vectors), dtype=np.float32)
    for part, found in fits.blocks(shown.vectors):
        bar[part] = np.partition(found, -count, axis=1)[:, -count]
    own = fits.of(shown.vectors, texts)
    sure = [
        _confidence(own[:, place], bar, shown.labels, cluster)
        for place, cluster in enumerate(clusters)
    ]
    sizes = shown.sizes[list(clusters)]
    return np.asarray(sure, dtype=np.float64) * sizes / (sizes + 1)


def _confidence(
    fits: FloatArray, bar: FloatArray, labels: NDArray[np.int64], cluster: int
) -> float:
    own = labels == cluster
    if not own.any():
        return 0.0
    borne = float((fits >= bar)[own].mean())
    if own.all():
        return borne
    mine = np.sort(fits[own])
    better = 1 - np.searchsorted(mine, fits[~own], side="right") / len(mine)
    counts = np.bincount(labels[~own])
    wins = np.bincount(labels[~own], weights=better)[counts > 0] / counts[counts > 0]
    return max(min(borne, 2 * float(wins.min()) - 1), 0.0)


def taken(standing: Sequence[str | None], written: Mapping[int, tuple[str, float]]) -> set[int]:
    """The clusters whose `written` name (with its confidence) cannot be theirs: it is another's.

    `standing` are the names that all clusters have without it, no two alike. Of equal written
    names the surest stays, unless a cluster without one is called so already.
    """
    left = dict(written)
    while True:
        groups: dict[str, list[int]] = {}
        for cluster, name in enumerate(standing):
            own = left[cluster][0] if cluster in left else name
            if own:
                groups.setdefault(singular(own), []).append(cluster)
        refused = {each for group in groups.values() for each in _surplus(group, left)}
        if not refused:
            return set(written) - set(left)
        left = {cluster: own for cluster, own in left.items() if cluster not in refused}


def _surplus(group: Sequence[int], written: Mapping[int, tuple[str, float]]) -> list[int]:
    mine = sorted((each for each in group if each in written), key=lambda c: -written[c][1])
    return mine[0 if len(mine) < len(group) else 1 :]
