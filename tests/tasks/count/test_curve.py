import numpy as np

from sortal.configs.evaluation import CountConfig
from sortal.tasks.arrays import normalise
from sortal.tasks.choose.score import CrossFit
from sortal.tasks.count.curve import measured
from sortal.tasks.count.peaks import pick

CONFIG = CountConfig(min_fits=4, max_fits=4)


def curve(vectors: np.ndarray, tried: range, seed: int = 0):
    known = CrossFit(vectors, 3, 1.0, np.random.default_rng(0))
    return measured(vectors, known, tried, CONFIG, seed)


def kinds(n: int, n_kinds: int, noise: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    rows = np.eye(16)[np.arange(n) % n_kinds] + noise * rng.standard_normal((n, 16))
    return normalise(rows.astype(np.float32))


def test_the_number_of_kinds_that_are_there_is_worth_most():
    found = curve(kinds(200, 5, 0.1), range(2, 9))
    assert pick(found, CONFIG).n_clusters == 5
    assert max(found, key=lambda point: point.worth).information > 1.5  # log 5 is 1.61


def test_clusters_of_noise_are_worth_nothing_and_finer_ones_are_not_tried():
    noise = normalise(np.random.default_rng(0).standard_normal((200, 16)).astype(np.float32))
    found = curve(noise, range(2, 40))
    assert max(point.worth for point in found) < 0.3 and found[-1].n_clusters < 39


def test_a_seed_gives_the_same_curve_again():
    vectors = kinds(120, 4, 0.3)
    first, again, other = (curve(vectors, range(2, 6), seed) for seed in (0, 0, 1))
    assert first == again and first != other


def test_numbers_that_a_half_of_the_images_cannot_have_are_not_tried():
    few = np.repeat(kinds(6, 6, 0.1), 10, axis=0)
    assert curve(few, range(2, 12))[-1].n_clusters <= 6


def test_where_directions_are_evened_kinds_within_loud_ones_count():
    rng, kind = np.random.default_rng(1), np.arange(240) % 6
    rows = np.eye(40)[kind // 2] + 0.3 * np.eye(40)[3 + kind]  # three groups of two kinds
    vectors = normalise((rows + 0.12 * rng.standard_normal((240, 40))).astype(np.float32))
    known = CrossFit(vectors, 3, 1.0, np.random.default_rng(0))
    plain, evened = (
        measured(vectors, known, range(2, 10), CONFIG, 0, directions) for directions in (0, 1)
    )
    assert pick(plain, CONFIG).n_clusters == 3
    assert pick(evened, CONFIG).n_clusters == 6
