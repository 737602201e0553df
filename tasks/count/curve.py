"""The curve: what the clusters of each number are worth, from which a number is chosen.

Few clusters are agreed on and foretold with ease, and say little; many say much that is not there.
What they say, in nats, is the information that a clustering shares with what another one, of other
images, foretells; less what chance would give.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sortal.configs.evaluation import CountConfig
from sortal.configs.partition import PartitionConfig
from sortal.storage.rows import ArrayRows, FloatArray
from sortal.tasks.choose.score import CrossFit, Labels, score, side_by_side
from sortal.tasks.clustering.kmeans import count_distinct
from sortal.tasks.clustering.repeated import RepeatedKMeans
from sortal.tasks.evaluation.agreement import confusion, shared_information
from sortal.tasks.fusion.evening import Evening, fit_evening

CURVE = "curve.parquet"  # what the step `count` writes


class Point(NamedTuple):
    """A number of clusters that was tried.

    `agreement`, `predictability` and their product `score` as of candidates; `information` in nats,
    about 0 for chance.
    """

    n_clusters: int
    agreement: float
    predictability: float
    information: float

    @property
    def score(self) -> float:
        """How clear its clusters are; a negative figure is no better than chance."""
        return max(self.agreement, 0.0) * max(self.predictability, 0.0)

    @property
    def worth(self) -> float:
        """How clear they are, times how much they say."""
        return self.score * max(self.information, 0.0)


def measured(
    vectors: FloatArray,
    images: CrossFit,
    tried: Sequence[int],
    config: CountConfig,
    seed: int,
    directions: int = 0,
) -> list[Point]:
    """A point for each number `tried` of clusters of `vectors` (n, d), ascending.

    For each number k-means is fitted on the same random halves of the rows, and gives all rows a
    cluster. `images` foretells clusters from the images' own vectors. Numbers above that of the
    rows of a half that differ have no point, nor has what follows once clusters are worth little.
    With `directions` for each cluster the leading ones are evened, as many as the number asks for.
    """
    rng = np.random.default_rng(seed)
    halves = [np.sort(rng.permutation(len(vectors))[::2]) for _ in range(config.fits(len(vectors)))]
    most = min(count_distinct(vectors[half], max(tried)) for half in halves)
    once = PartitionConfig(n_init=config.n_init)
    evening = fit_evening(ArrayRows(vectors), directions * max(tried)) if directions else None
    fitted = [RepeatedKMeans(vectors, once, seed, half) for half in halves] if not evening else []
    found: list[Point] = []
    with side_by_side() as threads:
        for count in tried:
            if count > most or _is_past(found, config.enough):
                break
            if evening:
                own = _first(evening, directions * count)(vectors)
                fitted = [RepeatedKMeans(own, once, seed, half) for half in halves]
            seeds = [int(rng.integers(2**32)) for _ in halves]
            fits = list(threads.map(lambda it, own, k=count: it.labels(k, own), fitted, seeds))
            foretold = list(threads.map(lambda it, k=count: images.foretold(it, k), fits))
            found.append(_point(fits, foretold, count))
    return found


def _first(evening: Evening, count: int) -> Evening:
    """Its `count` leading directions."""
    return Evening(evening.mean, evening.matrix[:, :count])


def _is_past(points: Sequence[Point], enough: float) -> bool:
    """Whether the last two points are worth less than the share `enough` of the best."""
    worths = [point.worth for point in points]
    return len(worths) > 2 and max(worths[-2:]) < enough * max(worths)


def _point(partitions: list[Labels], foretold: list[Labels], n_clusters: int) -> Point:
    found = score(partitions, foretold)
    of_others = zip(partitions, foretold[1:] + foretold[:1], strict=True)
    told = [shared_information(confusion(*both)) for both in of_others]
    return Point(n_clusters, found.agreement, found.predictability, sum(told) / len(told))
