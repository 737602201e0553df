"""Resampled images: spread as chance would have it, and the same images whatever is measured."""

import numpy as np
import pytest

from sortal.tasks.evaluation.resampling import resampled

N = 2000
KEYS = [f"image {number}" for number in range(N)]
LABELS = np.arange(N) % 4


def values(name, keys, labels, clusters, resamples=300):
    found = resampled(keys, labels, clusters, resamples)
    return np.array([value for _, figure, value in found if figure == name])


def wrong(share):
    lost = np.random.default_rng(0).random(N) < share
    return np.where(lost, (LABELS + 1) % 4, LABELS)


def test_accuracy_spreads_as_a_share_of_so_many_images_does():
    found = values("acc", KEYS, LABELS, wrong(0.2))
    share = (wrong(0.2) == LABELS).mean()
    assert found.mean() == pytest.approx(share, abs=0.002)
    assert found.std() == pytest.approx(np.sqrt(share * (1 - share) / N), rel=0.15)


def test_a_difference_is_paired_and_spreads_less_than_the_figures_do():
    one, other = (values("nmi", KEYS, LABELS, wrong(share)) for share in (0.2, 0.21))
    assert (one - other).std() < 0.5 * min(one.std(), other.std())


def test_an_image_weighs_the_same_wherever_it_stands():
    order = np.random.default_rng(1).permutation(N)
    keys, clusters = np.array(KEYS), wrong(0.3)
    one = values("ari", KEYS, LABELS, clusters, 5)
    assert one == pytest.approx(values("ari", keys[order], LABELS[order], clusters[order], 5))


@pytest.mark.parametrize(("keys", "resamples"), [([], 5), (["one"], 5), (["\ud800", "a"], 3)])
def test_few_images_make_no_fuss(keys, resamples):
    found = list(resampled(keys, [0] * len(keys), [0] * len(keys), resamples))
    assert all(0 <= number < resamples and np.isfinite(value) for number, _, value in found)
