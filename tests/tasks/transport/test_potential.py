"""What a solved potential gives: counterparts, masses of clusters, warm starts."""

import numpy as np

from sortal.storage.rows import ArrayRows
from sortal.tasks.transport.counterparts import cluster_mass, counterparts
from sortal.tasks.transport.potential import Potential, match_potential
from transports import clustered, plan_of, solved


def mixtures(images, texts, potential, weighting="plan_times_similarity"):
    """Counterparts among `texts` as transport saw them."""
    return counterparts(images, texts, potential, weighting, texts)


def test_duplicated_images_get_equal_counterparts():
    images, texts = clustered(100, 20)
    images[50:] = images[:50]
    got = mixtures(images, texts, solved(images, texts))
    np.testing.assert_allclose(got[50:], got[:50], atol=1e-6)


def test_counterparts_follow_the_plan_and_its_weighting():
    images, texts = clustered(60, 12)
    potential = solved(images, texts)
    plan = plan_of(images, texts, potential)
    for weighting, weights in (
        ("plan", plan),
        ("plan_times_similarity", plan * (images @ texts.T)),
    ):
        expected = weights @ texts
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        got = mixtures(images, texts, potential, weighting)
        np.testing.assert_allclose(got, expected, atol=1e-5)


def test_new_images_get_counterparts_without_a_solve(tmp_path):
    images, texts = clustered(500, 20)
    potential = solved(images[:400], texts)
    potential.save(tmp_path / "potential.npz", [f"key {i}" for i in range(20)])
    loaded = Potential.load(tmp_path / "potential.npz")
    assert loaded.facts == potential.facts
    fresh = mixtures(images[400:], texts, loaded)
    np.testing.assert_array_equal(fresh, mixtures(images[400:], texts, potential))
    np.testing.assert_allclose(np.linalg.norm(fresh, axis=1), 1.0, atol=1e-5)


def test_a_warm_start_is_matched_by_key_and_saves_iterations():
    images, texts = clustered(4040, 60)
    old = solved(images[:4000], texts, epsilon=0.01)
    order = np.random.default_rng(0).permutation(60)
    start = match_potential(old.g, [str(i) for i in range(60)], [str(i) for i in order])
    np.testing.assert_array_equal(start, old.g[order])
    cold = solved(images, texts[order], epsilon=0.01)
    warm = solved(images, texts[order], epsilon=0.01, start=start)
    assert warm.converged
    assert warm.n_iter <= cold.n_iter / 2
    again = solved(images, texts[order], epsilon=0.01, start=warm.g)
    assert again.n_iter == 0


def test_new_texts_start_from_the_mean_of_the_known():
    got = match_potential(np.array([1.0, 3.0]), ["a", "b"], ["b", "new", "a"])
    np.testing.assert_array_equal(got, [3.0, 2.0, 1.0])
    np.testing.assert_array_equal(match_potential(np.ones(1), ["a"], ["x", "y"]), [0.0, 0.0])


def test_cluster_mass_is_the_plan_summed_by_label():
    images, texts = clustered(300, 25)
    potential = solved(images, texts)
    labels = np.random.default_rng(0).integers(-1, 4, 300)
    got = cluster_mass(ArrayRows(images), texts, potential, labels, 4)
    scaled = np.exp((images @ texts.T + potential.g) / potential.epsilon)
    plan = scaled / scaled.sum(axis=1, keepdims=True) / 300
    expected = np.stack([plan[labels == c].sum(axis=0) for c in range(4)])
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_a_zero_image_sends_its_mass_by_the_potential_alone():
    images, texts = clustered(100, 10)
    images[3], texts[4] = 0, 0
    potential = solved(images, texts)
    assert potential.converged
    weights = np.exp(potential.g / potential.epsilon)
    got = plan_of(images[3:4], texts, potential)
    np.testing.assert_allclose(got[0], weights / weights.sum(), atol=1e-5)
    assert np.isfinite(mixtures(images, texts, potential)).all()
