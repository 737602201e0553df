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
from sortal.tasks.clustering.kmeans import kmeans
from sortal.tasks.evaluation.agreement import ari, confusion

Labels = NDArray[np.int32]


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

    What depends on the images alone is computed once, for any number of partitions.
    """

    def __init__(
        self, images: FloatArray, folds: int, ridge: float, rng: np.random.Generator
    ) -> None:
        self._rows = np.hstack([images, np.ones((len(images), 1), dtype=np.float32)])
        self._fold = rng.permutation(len(images)) % folds
        penalty = np.diag([ridge] * images.shape[1] + [1e-3 * ridge])
        parts = [self._rows[self._fold == fold] for fold in range(folds)]
        products = [(part.T @ part).astype(np.float64) for part in parts]
        whole = sum(products) + penalty
        self._inverses = [np.linalg.inv(whole - own) for own in products]

    def foretold(self, labels: Labels, n_clusters: int) -> Labels:
        """The cluster (n,) of each image by the classifier of the other folds."""
        members = np.eye(n_clusters, dtype=np.float32)[labels]
        found = np.empty(len(labels), dtype=np.int32)
        for fold, inverse in enumerate(self._inverses):
            own = self._fold == fold
            weights = inverse @ (self._rows[~own].T @ members[~own])
            found[own] = (self._rows[own] @ weights.astype(np.float32)).argmax(axis=1)
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
    once = PartitionConfig(n_init=config.n_init)

    def fit(seed: int) -> Labels:
        return kmeans(vectors, n_clusters, once, random_state=seed).labels

    return list(threads.map(fit, seeds.tolist()))


def score(partitions: list[Labels], foretold: list[Labels]) -> Score:
    """How far partitions agree, and how far each is as it is `foretold`."""
    same = [ari(confusion(one, other)) for one, other in combinations(partitions, 2)]
    known = [ari(confusion(*both)) for both in zip(partitions, foretold, strict=True)]
    error = np.std(known, ddof=1) / np.sqrt(len(known))
    return Score(float(np.mean(same)), float(np.mean(known)), float(error))
