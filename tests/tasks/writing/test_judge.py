"""Whether a written name fits its cluster, and which of equal names stays."""

import numpy as np
import pytest

from sortal.configs.modalities import NamingConfig
from sortal.tasks.naming.evidence import Fits, middles
from sortal.tasks.naming.shown import Shown
from sortal.tasks.writing.judge import confidences, taken

DIM, EACH, C = 48, 30, 4
RNG = np.random.default_rng(0)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


KINDS = unit(RNG.standard_normal((C, DIM)))
NOUNS = unit(RNG.standard_normal((2000, DIM)))
LABELS = np.repeat(np.arange(C), EACH)
IMAGES = unit(KINDS[LABELS] + 0.08 * RNG.standard_normal((C * EACH, DIM)))


def sure(labels, clusters, texts):
    count = labels.max() + 1
    mean, sizes = IMAGES.mean(axis=0), np.bincount(labels)
    shown = Shown(mean, middles(IMAGES, labels, count), sizes, IMAGES, labels)
    return confidences(Fits(NOUNS, mean, NamingConfig()), shown, clusters, unit(np.array(texts)))


def test_a_name_is_sure_of_its_own_images_alone():
    right = sure(LABELS, range(C), KINDS)
    assert (right > 0.9).all() and (right <= EACH / (EACH + 1)).all()
    assert (sure(LABELS, [1, 2, 3, 0], KINDS) == 0).all()  # another cluster's name


def test_a_name_that_fits_another_cluster_as_well_is_not_its_own():
    both = sure(LABELS, [0, 1], [KINDS[0] + KINDS[1]] * 2)
    assert (both < NamingConfig().min_written).all()


def test_a_name_that_fits_no_better_than_random_nouns_is_not_one():
    texts = unit(RNG.standard_normal((200, DIM)))
    found = sure(LABELS, np.arange(200) % C, texts)
    assert np.mean(found >= NamingConfig().min_written) < 0.05


def test_the_only_cluster_there_is_has_no_other_to_be_told_from():
    assert sure(np.zeros(len(IMAGES), dtype=np.int64), [0], [IMAGES.mean(axis=0)])[0] > 0.5


@pytest.mark.parametrize(
    ("standing", "written", "refused"),
    [
        (["cat", None], {0: ("pet", 0.5), 1: ("dog", 0.5)}, set()),
        ([None, None, None], {0: ("dog", 0.5), 1: ("Dogs", 0.9), 2: ("dogs", 0.4)}, {0, 2}),
        (["cat", "dog"], {0: ("dogs", 0.9)}, {0}),  # the other is called so
        (["cat", "dog"], {0: ("dog", 0.9), 1: ("wolf", 0.5)}, set()),  # and now is not
        (["cat", "dog", None], {0: ("dog", 0.9), 1: ("cat", 0.5), 2: ("cat", 0.6)}, {0, 1, 2}),
    ],
)
def test_no_two_names_are_alike_and_the_surest_stays(standing, written, refused):
    assert taken(standing, written) == refused
