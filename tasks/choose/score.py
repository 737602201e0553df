"""Scores of a way of comparing images, without labels: predictability and agreement.

Predictability: can the cluster of an image be foretold, from its own vector, by a classifier that
has not seen it? Agreement: do k-means from different seeds find the same clusters? Agreement is
comparable between ways of one kind only: few texts make clusters that are the same whatever the
seed, and whatever the images (docs/methods.md#auto).
"""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from sortal.configs.evaluation import ChooseConfig
from sortal.configs.partition import PartitionConfig
from sortal.storage.rows import FloatArray
from sortal.tasks.clustering.lloyd import sums_of
from sortal.tasks.clustering.repeated import RepeatedKMeans
from sortal.tasks.evaluation.agreement import ari, confusion

Labels = NDArray[np.int32]
_FEW = 5_000  # images: what all count for each other takes 67 MB


class Score(NamedTuple):
    """Two mean adjusted Rand indices, at most 1, about 0 for chance.

    `error`: the standard error of predictability, over the fits it is a mean of.
    """

    agreement: float
    predictability: float
    error: float

    @property
    def product(self) -> float:
        """Both at once; a negative figure is no better than chance."""
        return max(self.agreement, 0.0) * max(self.predictability, 0.0)


class CrossFit:
    """Foretells clusters of images (n, d) by ridge regression, fold by fold, in closed form.

    What depends on the images alone is computed once, for any number of partitions: of few images
    all of what each counts for another, so that a partition costs n^2 sums.
    """

    def __init__(
        self, images: FloatArray, folds: int, ridge: float, rng: np.random.Generator
    ) -> None:
        self._rows = np.hstack([images, np.ones((len(images), 1), dtype=np.float32)])
        fold = rng.permutation(len(images)) % folds
        self._own = [np.flatnonzero(fold == number) for number in range(folds)]
        self._others = [np.flatnonzero(fold != number) for number in range(folds)]
        penalty = np.diag([ridge] * images.shape[1] + [1e-3 * ridge])
        parts = [self._rows[own] for own in self._own]
        products = [(part.T @ part).astype(np.float64) for part in parts]
        whole = sum(products) + penalty
        self._inverses = [np.linalg.inv(whole - own) for own in products]
        self._counts = [self._counted(fold) for fold in range(folds)] if len(images) <= _FEW else []

    def _counted(self, fold: int) -> FloatArray:
        """What each image of the other folds counts for each of this one, (n - m, m)."""
        own, others = self._rows[self._own[fold]], self._rows[self._others[fold]]
        weights: FloatArray = others @ (self._inverses[fold] @ own.T).astype(np.float32)
        return weights

    def foretold(self, labels: Labels, n_clusters: int) -> Labels:
        """The cluster (n,) of each image by the classifier of the other folds."""
        found = np.empty(len(labels), dtype=np.int32)
        for fold, (own, others) in enumerate(zip(self._own, self._others, strict=True)):
            if self._counts:
                scores = sums_of(self._counts[fold], labels[others], n_clusters)
            else:
                sums = sums_of(self._rows[others], labels[others], n_clusters)
                weights = (self._inverses[fold] @ sums.T).astype(np.float32)
                scores = weights.T @ self._rows[own].T
            found[own] = scores.argmax(axis=0)
        return found


@contextmanager
def side_by_side() -> Iterator[Executor]:
    """As many threads as libraries have, each of which uses one: fits are small, barriers dear."""
    count = max((each["num_threads"] for each in threadpool_info()), default=1)
    threads = ThreadPoolExecutor(count, initializer=threadpool_limits, initargs=(1, "openmp"))
    with threads, threadpool_limits(1):
        yield threads


def fits(
    vectors: FloatArray,
    n_clusters: int,
    config: ChooseConfig,
    random_state: int,
    threads: Executor,
) -> list[Labels]:
    """Partitions of `vectors` (n, d') by k-means from different seeds, each (n,)."""
    seeds = np.random.default_rng(random_state).integers(2**32, size=config.fits(len(vectors)))
    again = RepeatedKMeans(vectors, PartitionConfig(n_init=config.n_init), random_state)
    return list(threads.map(lambda seed: again.labels(n_clusters, seed), seeds.tolist()))


def score(partitions: list[Labels], foretold: list[Labels]) -> Score:
    """How far partitions agree, and how far each is as it is `foretold`."""
    same = [ari(confusion(one, other)) for one, other in combinations(partitions, 2)]
    known = [ari(confusion(*both)) for both in zip(partitions, foretold, strict=True)]
    error = np.std(known, ddof=1) / np.sqrt(len(known))
    return Score(float(np.mean(same)), float(np.mean(known)), float(error))
