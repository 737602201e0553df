"""Spectral clustering: what is joined step by step is one cluster, whatever its shape."""

import numpy as np
import pytest
from sklearn.datasets import make_circles, make_moons
from sklearn.metrics import adjusted_rand_score

from sortal.configs.errors import UsageError
from sortal.configs.partition import PartitionConfig
from sortal.tasks.arrays import normalise
from sortal.tasks.clustering.graph import TextAffinity, neighbour_graph, seeker
from sortal.tasks.clustering.kmeans import kmeans
from sortal.tasks.clustering.spectral import spectral

FLAT = PartitionConfig(method="spectral", spherical=False, n_init=4)


def moons(n_rows, noise=0.06):
    rows, labels = make_moons(n_rows, noise=noise, random_state=0)
    return rows.astype(np.float32), labels


def blobs(*sizes, dim=8, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    centres = 30 * np.eye(len(sizes), dim)
    return (centres[labels] + rng.standard_normal((len(labels), dim))).astype(np.float32), labels


def agreement(found, labels):
    return adjusted_rand_score(labels, found.labels)


@pytest.mark.parametrize("noise", [0.06, 0.1])  # apart, and with edges from one to the other
def test_moons_that_kmeans_cuts_are_told_apart(noise):
    rows, labels = moons(1200, noise)
    assert agreement(kmeans(rows, 2, FLAT, random_state=0), labels) < 0.4
    assert agreement(spectral(rows, 2, FLAT, random_state=0), labels) > 0.9


def test_a_sample_is_parted_and_the_others_follow_their_nearest(monkeypatch):
    monkeypatch.setattr("sortal.tasks.clustering.spectral.FIT_BYTES", 800 * 8 * 2)
    rows, labels = (part[:] for part in make_circles(2000, noise=0.04, factor=0.4, random_state=0))
    rows = rows.astype(np.float32)
    found = spectral(rows, 2, FLAT, random_state=0)
    assert found.n_fit == 800
    assert agreement(found, labels) > 0.99
    assert agreement(kmeans(rows, 2, FLAT, random_state=0), labels) < 0.1


def test_an_inverted_index_finds_nearly_the_same_neighbours():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((20, 300)) * np.arange(1, 301) ** -0.5
    rows = centres[rng.integers(20, size=3000)] + 0.07 * rng.standard_normal((3000, 300))
    rows = normalise(rows.astype(np.float32))
    exact, near = (neighbour_graph(rows, 15, seeker(rows, most, 0)) for most in (3000, 100))
    assert exact.multiply(near).nnz > 0.85 * exact.nnz  # 0.58 where 128 directions decide
    assert (near != near.T).nnz == 0


def test_the_same_seed_gives_the_same_clusters_by_size_with_their_means():
    rows, labels = blobs(60, 500, 240, 500)
    first, again = (spectral(rows, 4, FLAT, random_state=3) for _ in range(2))
    assert (first.labels == again.labels).all()
    assert agreement(first, labels) == 1.0
    assert np.bincount(first.labels).tolist() == [500, 500, 240, 60]
    for cluster, centre in enumerate(first.centres):
        assert centre == pytest.approx(rows[first.labels == cluster].mean(axis=0), abs=1e-4)


@pytest.mark.parametrize("n_clusters", [2, 3, 7])
def test_unconnected_parts_are_gathered_or_cut_further(n_clusters):
    rows, labels = blobs(200, 200, 200)
    found = spectral(rows, n_clusters, FLAT, random_state=0)
    assert set(found.labels) == set(range(n_clusters))
    shared = {(own, kind) for own, kind in zip(found.labels, labels, strict=True)}
    assert len(shared) == max(n_clusters, 3)  # no cluster cuts a part that is in another's way


def test_a_few_copies_of_one_image_are_no_cluster_of_their_own():
    rows, labels = moons(1200, 0.1)
    copies = np.repeat(rows[:1] + np.float32([0.0, 0.3]), 30, axis=0)
    found = spectral(np.vstack([rows, copies]), 2, FLAT, random_state=0)
    assert adjusted_rand_score(labels, found.labels[:1200]) > 0.9
    assert len(set(found.labels[1200:])) == 1


@pytest.mark.parametrize("n_rows", [2, 3, 9, 14])
def test_few_images_are_parted_up_to_one_each(n_rows):
    rows = np.random.default_rng(0).standard_normal((n_rows, 6)).astype(np.float32)
    for n_clusters in range(2, n_rows + 1):
        found = spectral(rows, n_clusters, PartitionConfig(method="spectral"), random_state=0)
        assert set(found.labels) == set(range(n_clusters))


def test_more_clusters_than_images_that_differ_are_refused():
    rows = np.repeat(np.eye(3, dtype=np.float32), 40, axis=0)
    assert set(spectral(rows, 3, FLAT, random_state=0).labels) == {0, 1, 2}
    with pytest.raises(UsageError, match=r"must be in \[2, 3\], got 4"):
        spectral(rows, 4, FLAT, random_state=0)


def test_an_earlier_fit_is_gone_on_from_and_new_images_join_it():
    rows, _ = moons(1300, 0.1)
    first = spectral(rows[:1200], 5, FLAT, random_state=0)
    known = np.concatenate([first.labels, np.full(100, -1, dtype=np.int32)])
    after = spectral(rows, 5, FLAT, random_state=9, known=known)
    assert np.mean(after.labels[:1200] == first.labels) > 0.95


def test_settings_of_other_methods_are_no_part_of_a_result():
    assert PartitionConfig().unread() == {"method", "spectral", "density", "fit_rows", "precision"}
    assert "precision" not in PartitionConfig(precision="tf32").unread()
    assert PartitionConfig(method="spectral").unread() == {"density", "fit_rows", "precision"}
    assert PartitionConfig(method="density").unread() == {
        "spectral", "engine", "n_init", "max_iter", "fit_rows", "precision"
    }  # fmt: skip


def test_rows_are_joined_by_the_texts_that_both_are_like():
    rng = np.random.default_rng(0)
    labels, axes = rng.integers(0, 4, 400), np.eye(40, dtype=np.float32)
    noise = rng.standard_normal((400, 40)) * np.r_[np.full(4, 0.03), np.full(36, 0.16)]
    rows, texts = normalise((0.25 * axes[labels] + noise).astype(np.float32)), axes[:4]
    config = PartitionConfig(method="spectral", n_init=4, spectral={"affinity": "nouns"})
    assert agreement(spectral(rows, 4, FLAT, random_state=0), labels) < 0.9
    assert agreement(spectral(rows, 4, config, random_state=0, texts=texts), labels) > 0.97
    affinity = TextAffinity(rows, texts, 0.04)
    shares = np.exp(rows @ texts.T / 0.04)
    shares /= shares.sum(axis=1, keepdims=True)
    exact = (rows @ rows.T) * (shares @ shares.T)
    found = affinity(rows[:50], 5)
    assert np.allclose(np.take_along_axis(exact[:50], found, 1), -np.sort(-exact[:50])[:, :5])
    graph = neighbour_graph(rows, 5, affinity, affinity.between)
    assert (graph != graph.T).nnz == 0
    assert np.allclose(graph.data, exact[graph.nonzero()], rtol=1e-4)


def test_of_more_rows_than_are_compared_with_all_a_sample_is_joined_by_texts():
    rows, labels = blobs(400, 300, 200)
    rows = normalise(rows)
    config = PartitionConfig(method="spectral", spectral={"affinity": "nouns", "exact_rows": 300})
    found = spectral(rows, 3, config, random_state=0, texts=np.eye(3, 8, dtype=np.float32))
    assert found.n_fit == 300 and agreement(found, labels) == 1.0
