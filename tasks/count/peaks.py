"""Peaks of the curve: the numbers of clusters that are natural, and the one to take.

Natural are those whose clusters are clearer than those of the numbers around them. Taken is the one
whose clusters are worth most: clear, and saying much.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sortal.configs.evaluation import CountConfig
from sortal.tasks.count.curve import Point

_LEVELS = 2  # of the tree, above the clusters
_COARSER = 1.5  # how many times fewer kinds a level has than the one below it, at the least


class Picked(NamedTuple):
    """The number taken, and the natural ones, ascending, which it is among.

    `levels` are the numbers of kinds in the tree above it, descending. `kept`: it is the earlier
    one.
    """

    n_clusters: int
    natural: list[int]
    levels: list[int]
    kept: bool


def pick(
    points: Sequence[Point], config: CountConfig, earlier: int | None = None, margin: float = 0.0
) -> Picked:
    """The number to take, of `points` that are ascending.

    It is the one that is worth most; of those so near, but for the share `near`, that chance may
    decide, the one that is worth most with its neighbours. `earlier` stays unless that one is above
    it by the share `margin`. Without any point it is the least allowed.
    """
    if not points:
        return Picked(config.least, [], [], False)
    worths = [point.worth for point in points]
    counts = [point.n_clusters for point in points]
    place = _best(worths, config.near)
    kept = False
    if earlier in counts:
        before = counts.index(earlier)
        kept = before == place or worths[place] <= worths[before] * (1 + margin)
        place = before if kept else place
    natural = [counts[i] for i in peaks([point.score for point in points], place, config.clear)]
    return Picked(counts[place], natural, _levels(natural, counts[place]), kept)


def _best(worths: Sequence[float], near: float) -> int:
    """The place of the best, see `pick`; the last of those that are equal."""
    padded = [worths[0], *worths, worths[-1]]
    least = max(worths) * (1 - near)
    close = [i for i, worth in enumerate(worths) if worth >= least]
    return max(close, key=lambda i: (padded[i] + 2 * worths[i] + padded[i + 2], i))


def peaks(scores: Sequence[float], taken: int, clear: float) -> list[int]:
    """Places of the clear peaks of a curve, ascending; `taken` is one of them.

    A peak is clear where, on the way to any point above it and to `taken`, the curve falls below
    it by the share `clear`.
    """
    return [
        i
        for i, score in enumerate(scores)
        if i == taken or (score > 0 and _is_clear(scores, i, taken, clear))
    ]


def _is_clear(scores: Sequence[float], place: int, taken: int, clear: float) -> bool:
    floor = scores[place] * (1 - clear)
    for way in (range(place - 1, -1, -1), range(place + 1, len(scores))):
        lowest = scores[place]
        for i in way:
            if ((scores[i], i) > (scores[place], place) or i == taken) and lowest > floor:
                return False
            lowest = min(lowest, scores[i])
    return True


def _levels(natural: Sequence[int], n_clusters: int) -> list[int]:
    """The finest natural numbers that are each well below the one before."""
    found = [n_clusters]
    for count in sorted(natural, reverse=True):
        if count * _COARSER <= found[-1] and len(found) <= _LEVELS:
            found.append(count)
    return found[1:]
