import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from sortal.configs.errors import UsageError
from sortal.configs.partition import PartitionConfig
from sortal.storage.rows import ArrayRows
from sortal.tasks.arrays import normalise
from sortal.tasks.clustering import seeding
from sortal.tasks.clustering.kmeans import count_distinct, kmeans, label_rows
from sortal.tasks.clustering.lloyd import Lloyd
from sortal.tasks.clustering.seeding import (
    Seeds,
    _TwoNearest,
    best_seeding,
    project,
    seed_centres,
    swap_centres,
)


def clustered(data, k, *, random_state=0, centres=None, max_rows=None, **settings):
    """k-means of ten restarts, but for the settings given."""
    config = PartitionConfig(**{"n_init": 10, **settings})
    return kmeans(data, k, config, random_state=random_state, centres=centres, max_rows=max_rows)


def blobs(n=600, kinds=6, dim=24, spread=1.0, seed=0):
    points, labels = make_blobs(n, dim, centers=kinds, cluster_std=spread, random_state=seed)
    return points.astype(np.float32), labels


cases = given(
    n=st.integers(12, 120), dim=st.integers(2, 80), k=st.integers(2, 12), seed=st.integers(0, 10**6)
)


@settings(max_examples=40, deadline=None)
@cases
def test_labels_are_the_nearest_centres_and_distances_their_cosines(n, dim, k, seed):
    data = normalise(np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32))
    found = clustered(data, k, n_init=2, random_state=seed)
    cosines = data @ found.centres.T
    own = cosines[np.arange(n), found.labels]
    assert np.all(own >= cosines.max(axis=1) - 1e-5)
    np.testing.assert_allclose(found.distances, 1 - own, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found.centres, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found.inertia, (2 - 2 * own).sum(), rtol=1e-3, atol=1e-4)


@settings(max_examples=40, deadline=None)
@cases
def test_inertia_never_rises_from_one_iteration_to_the_next(n, dim, k, seed):
    rng = np.random.default_rng(seed)
    data = rng.standard_normal((n, dim)).astype(np.float32)
    seeds = Seeds(data, rng)
    run = Lloyd(seeds.rows, seed_centres(seeds, k, rng), spherical=False)
    inertias = []
    for _ in range(12):
        run.run(1, 0.0)
        inertias.append(run.inertia)
    assert np.all(np.diff(inertias) <= 1e-5 * inertias[0])


@settings(max_examples=40, deadline=None)
@cases
def test_swaps_never_raise_the_inertia_and_keep_their_books_right(n, dim, k, seed):
    rng = np.random.default_rng(seed)
    data = rng.standard_normal((n, dim)).astype(np.float32)
    seeds = Seeds(data, rng)
    data = seeds.rows
    before = seed_centres(seeds, k, rng)
    after = swap_centres(seeds, before, rng)
    inertia = [label_rows(data, each, spherical=False)[2] for each in (before, after)]
    assert inertia[1] <= inertia[0] * (1 + 1e-5)
    near = _TwoNearest(data, after)
    distance = seeds.squared(np.array([0]))[0]
    after[k - 1] = data[0]
    near.swap(k - 1, distance)
    found = np.stack([near.first, near.second], axis=1)
    np.testing.assert_allclose(found, faiss.knn(data, after, 2)[0], atol=1e-3)


def test_distances_between_rows_are_the_same_from_a_table_and_without(monkeypatch):
    data = np.random.default_rng(0).standard_normal((50, 80)).astype(np.float32)
    rows = np.array([3, 3, 49])
    found = Seeds(data, np.random.default_rng(1)).squared(rows)
    monkeypatch.setattr(seeding, "TABLE", 10)
    seeds = Seeds(data, np.random.default_rng(1))
    np.testing.assert_allclose(found, seeds.squared(rows), atol=1e-3)
    small = seeds.rows
    np.testing.assert_allclose(found, ((small[rows][:, None] - small) ** 2).sum(2), atol=1e-3)


def test_well_separated_blobs_are_found():
    points, labels = blobs(spread=0.5)
    assert adjusted_rand_score(labels, clustered(points, 6, spherical=False).labels) == 1.0


@pytest.mark.parametrize("k", [3, 12, 40])
def test_inertia_is_within_half_a_percent_of_the_best_of_ten_by_scikit_learn(k):
    points, _ = blobs(n=3000, kinds=30, spread=6.0)
    best = KMeans(k, n_init=10, random_state=0).fit(points).inertia_
    assert clustered(points, k, spherical=False).inertia <= 1.005 * best


def test_the_reference_engine_agrees_on_separated_data():
    points, _ = blobs(spread=0.5)
    ours, theirs = (clustered(points, 6, engine=name) for name in ("faiss", "sklearn"))
    assert adjusted_rand_score(ours.labels, theirs.labels) == 1.0
    assert theirs.inertia == pytest.approx(ours.inertia, rel=1e-3)


def test_same_seed_gives_the_same_labels_whatever_the_threads():
    points, _ = blobs(n=2000, kinds=20, dim=96, spread=5.0)
    labels = []
    for threads in (1, 1, 2):
        with threadpool_limits(threads):
            labels.append(clustered(points, 15, random_state=3, n_init=2).labels)
    np.testing.assert_array_equal(labels[0], labels[1])
    assert adjusted_rand_score(labels[0], labels[2]) >= 0.999


def test_ids_go_by_decreasing_size():
    points, _ = blobs(kinds=9, spread=4.0)
    sizes = np.bincount(clustered(points, 7).labels, minlength=7)
    assert np.all(np.diff(sizes) <= 0)


def test_a_warm_start_keeps_ids_and_needs_fewer_iterations():
    points, _ = blobs(n=2000, kinds=12, spread=5.0)
    cold = clustered(points, 12, random_state=1)
    order = np.random.default_rng(0).permutation(12)
    warm = clustered(points, 12, centres=cold.centres[order])
    assert warm.n_iter <= 3
    assert adjusted_rand_score(warm.labels, cold.labels) >= 0.99
    np.testing.assert_allclose(warm.centres, cold.centres[order], atol=0.05)


def test_streamed_rows_and_an_array_give_the_same_answer():
    points, _ = blobs()

    class Small(ArrayRows):
        def blocks(self, size):
            yield from super().blocks(7)

    in_memory, streamed = clustered(points, 5), clustered(Small(points), 5)
    np.testing.assert_array_equal(in_memory.labels, streamed.labels)


def test_a_fit_on_a_sample_labels_every_row():
    points, labels = blobs(n=4000, spread=0.5)
    found = clustered(points, 6, max_rows=500, random_state=2)
    assert (found.n_fit, len(found.labels)) == (500, 4000)
    assert adjusted_rand_score(labels, found.labels) == 1.0


def test_an_empty_cluster_gets_the_farthest_row_and_is_counted():
    points, _ = blobs(n=60, kinds=3, spread=0.2)
    far = np.full((1, points.shape[1]), 1e3, dtype=np.float32)
    found = clustered(points, 3, centres=np.concatenate([points[:2], far]), spherical=False)
    assert found.n_empty >= 1
    assert np.bincount(found.labels, minlength=3).min() > 0


def test_duplicates_share_a_cluster_and_zero_rows_have_one():
    points, _ = blobs(n=50)
    data = np.concatenate([points, points, np.zeros((2, points.shape[1]), np.float32)])
    found = clustered(data, 4)
    np.testing.assert_array_equal(found.labels[:50], found.labels[50:100])
    assert found.labels[100] == found.labels[101]
    assert found.distances[100] == 1.0


@pytest.mark.parametrize("k", [1, 0, 6])
def test_n_clusters_must_not_exceed_the_images_that_differ(k):
    data = np.repeat(np.eye(5, dtype=np.float32), 3, axis=0)
    with pytest.raises(UsageError, match=rf"must be in \[2, \d+\], got {k}; .* readable images"):
        clustered(data, k)


def test_as_many_clusters_as_distinct_rows_have_no_inertia():
    data = np.repeat(np.eye(5, dtype=np.float32), 3, axis=0)
    found = clustered(data, 5)
    assert found.inertia == pytest.approx(0, abs=1e-5)
    assert np.bincount(found.labels).tolist() == [3] * 5


def test_nan_is_refused():
    data = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    data[3, 1] = np.nan
    with pytest.raises(UsageError, match="finite"):
        clustered(data, 2)


def test_centres_of_another_shape_are_refused():
    with pytest.raises(UsageError, match="centres must have shape"):
        clustered(blobs()[0], 4, centres=np.zeros((3, 24), np.float32))


def test_distinct_rows_are_counted_up_to_a_limit():
    data = np.array([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0], [2.0, 0.0]], dtype=np.float32)
    assert count_distinct(data, 10) == 3
    assert count_distinct(data, 2) == 2


def test_the_projection_keeps_what_spans_the_data():
    rng = np.random.default_rng(0)
    data = (rng.standard_normal((300, 10)) @ rng.standard_normal((10, 200))).astype(np.float32)
    small = project(data, 16, rng)
    assert small.shape == (300, 16)
    np.testing.assert_allclose(small @ small.T, data @ data.T, rtol=1e-3, atol=1e-1)


def test_seedings_are_the_same_one_after_another_and_side_by_side():
    data = np.random.default_rng(5).standard_normal((3000, 80)).astype(np.float32)
    before, found = faiss.omp_get_max_threads(), []
    try:
        for threads in (1, 3):
            faiss.omp_set_num_threads(threads)
            found.append(best_seeding(data, 12, 5, np.random.default_rng(0)))
    finally:
        faiss.omp_set_num_threads(before)
    np.testing.assert_array_equal(*found)
