"""k-means of the same rows again and again finds what k-means finds."""

import numpy as np
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from sortal.configs.partition import PartitionConfig
from sortal.tasks.clustering.kmeans import kmeans
from sortal.tasks.clustering.repeated import RepeatedKMeans

POINTS, KINDS = make_blobs(900, 80, centers=7, cluster_std=4.0, random_state=3)
POINTS = POINTS.astype(np.float32)


def inertia(labels: np.ndarray) -> float:
    unit = POINTS / np.linalg.norm(POINTS, axis=1, keepdims=True)
    means = np.stack([unit[labels == number].mean(axis=0) for number in range(12)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return float((2 - 2 * (unit * means[labels]).sum(axis=1)).sum())


def test_its_fits_are_as_good_as_those_of_kmeans():
    once = PartitionConfig(n_init=3)
    again = RepeatedKMeans(POINTS, once, 0)
    ours = [inertia(again.labels(12, seed)) for seed in range(8)]
    theirs = [inertia(kmeans(POINTS, 12, once, random_state=seed).labels) for seed in range(8)]
    assert len(set(ours)) > 1
    assert abs(np.mean(ours) / np.mean(theirs) - 1) < 0.01


def test_centres_fitted_to_some_rows_label_all():
    half = np.arange(0, 900, 2)
    labels = RepeatedKMeans(POINTS, PartitionConfig(n_init=3), 0, half).labels(7, 1)
    assert labels.shape == (900,)
    assert adjusted_rand_score(KINDS, labels) > 0.99
