"""k-means of the same rows again and again, where what the rows alone decide is computed once."""

import numpy as np
from numpy.typing import NDArray

from sortal.configs.partition import PartitionConfig
from sortal.storage.rows import ArrayRows, FloatArray
from sortal.tasks.clustering.kmeans import fit_rows
from sortal.tasks.clustering.lloyd import TOL, Lloyd, nearest
from sortal.tasks.clustering.seeding import ROWS, Seeds, best_seeding, best_start


class RepeatedKMeans:
    """Fits of k-means to `rows` of `vectors` (n, d), each from a seed of its own; thread-safe.

    For fits whose labels are compared: ids are in no order, and that rows differ is not checked.
    Raises UsageError for NaN or infinity.
    """

    def __init__(
        self,
        vectors: FloatArray,
        config: PartitionConfig,
        random_state: int,
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        numbers = np.arange(len(vectors))
        self._all = fit_rows(ArrayRows(vectors), config.spherical, numbers)
        self._data = self._all if rows is None else self._all[rows]
        self._config = config
        rng = np.random.default_rng(random_state)
        self._seeds = Seeds(self._data, rng) if len(self._data) <= ROWS else None

    def labels(self, n_clusters: int, random_state: int) -> NDArray[np.int32]:
        """Clusters (n,) of all vectors, by centres that were fitted to the rows."""
        rng, config = np.random.default_rng(random_state), self._config
        if self._seeds is None:
            start = best_seeding(self._data, n_clusters, config.n_init, rng)
        else:
            start = best_start(self._data, self._seeds, n_clusters, config.n_init, rng)
        run = Lloyd(self._data, start, config.spherical)
        run.run(config.max_iter, TOL)
        return nearest(self._all, run.centres)[0]
