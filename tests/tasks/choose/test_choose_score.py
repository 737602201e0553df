import numpy as np

from sortal.configs.evaluation import ChooseConfig
from sortal.tasks.arrays import normalise
from sortal.tasks.choose.score import CrossFit, fits, score, side_by_side

CONFIG = ChooseConfig()


def kinds(n: int, n_kinds: int, noise: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.eye(16, dtype=np.float32)[:n_kinds]
    rows = centres[np.arange(n) % n_kinds] + noise * rng.standard_normal((n, 16))
    return normalise((rows - rows.mean(axis=0)).astype(np.float32))


def scored(vectors: np.ndarray, n_clusters: int, images: np.ndarray | None = None):
    known = vectors if images is None else images
    cross = CrossFit(known, CONFIG.folds, CONFIG.ridge, np.random.default_rng(0))
    with side_by_side() as threads:
        partitions = fits(vectors, n_clusters, CONFIG, 0, threads)
    return score(partitions, [cross.foretold(each, n_clusters) for each in partitions])


def test_kinds_that_are_there_have_both_figures_near_one():
    found = scored(kinds(300, 4, 0.05), 4)
    assert found.agreement > 0.98 and found.predictability > 0.98


def test_clusters_that_images_know_nothing_of_are_foretold_by_chance():
    found = scored(kinds(300, 4, 0.05, seed=1), 4, images=kinds(300, 1, 1.0, seed=2))
    assert found.agreement > 0.98 and abs(found.predictability) < 0.05


def test_more_clusters_than_kinds_are_agreed_on_less():
    vectors = kinds(300, 4, 0.2)
    assert scored(vectors, 8).product < scored(vectors, 4).product - 0.2


def test_an_image_is_foretold_by_what_was_learnt_without_it():
    """Labels drawn at random are learnt by heart, and foretold by chance alone."""
    images = kinds(60, 1, 1.0)
    labels = np.random.default_rng(3).integers(3, size=60).astype(np.int32)
    cross = CrossFit(images, 3, 1e-3, np.random.default_rng(0))
    assert np.mean(cross.foretold(labels, 3) == labels) < 0.55


def test_the_fewer_images_the_more_fits():
    assert CONFIG.fits(500) == CONFIG.max_fits and CONFIG.fits(10**6) == CONFIG.min_fits
    assert CONFIG.min_fits < CONFIG.fits(4_000) < CONFIG.max_fits
