import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sortal.configs.schema import SelectionConfig
from sortal.configs.section import identity_of
from sortal.storage.rows import take_rows
from sortal.tasks.arrays import normalise
from sortal.tasks.selection.rank import (
    bounded_centres,
    count_centres,
    image_centres,
    rows_fitted,
    select_texts,
)


def unit(n, dim, seed):
    return normalise(np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32))


def dense_nearest(centres, texts, top_k):
    order = np.argsort(-(centres @ texts.T), axis=1, kind="stable")
    return np.unique(order[:, :top_k])


def dense_reverse(centres, texts, top_k):
    """TAC's rule written down on the whole matrix (docs/methods.md, "Semantic space")."""
    cosines = (centres @ texts.T).astype(np.float64)
    share = np.exp(cosines) / np.exp(cosines).sum(axis=0)
    owner, confidence = share.argmax(axis=0), share.max(axis=0)
    kept = set()
    for centre in range(len(centres)):
        own = np.flatnonzero(owner == centre)
        kept.update(own[np.argsort(-confidence[own], kind="stable")[:top_k]].tolist())
    return np.array(sorted(kept))


sizes = {
    "k": st.integers(1, 12),
    "m": st.integers(1, 80),
    "dim": st.integers(4, 24),
    "top_k": st.integers(1, 6),
    "block": st.integers(1, 90),
    "seed": st.integers(0, 10**6),
}


@pytest.mark.parametrize(
    ("method", "dense"), [("nearest", dense_nearest), ("reverse_softmax", dense_reverse)]
)
@settings(max_examples=100, deadline=None)
@given(**sizes)
def test_streamed_selection_is_the_dense_one_whatever_the_block(
    method, dense, k, m, dim, top_k, block, seed
):
    centres, texts = unit(k, dim, seed), unit(m, dim, seed + 1)
    found = select_texts(centres, texts, method=method, top_k=top_k, block_size=block)
    if k > 1 or method == "nearest":
        np.testing.assert_array_equal(found, dense(centres, texts, top_k))
    assert len(found) <= k * top_k


@settings(max_examples=30, deadline=None)
@given(block=st.integers(1, 40), seed=st.integers(0, 10**6))
def test_equal_texts_are_chosen_in_their_order(block, seed):
    centres = unit(3, 8, seed)
    texts = np.repeat(centres, 10, axis=0)
    found = select_texts(centres, texts, method="nearest", top_k=2, block_size=block)
    assert len(found) == 6
    assert np.all(np.bincount(found // 10, minlength=3) == 2)


def test_a_centre_that_owns_no_text_adds_none_in_reverse():
    centres = np.eye(3, dtype=np.float32)
    texts = np.eye(3, dtype=np.float32)[[0, 0, 1]]
    found = select_texts(centres, texts, method="reverse_softmax", top_k=5)
    np.testing.assert_array_equal(found, [0, 1, 2])
    assert len(select_texts(centres, texts[:2], method="reverse_softmax", top_k=1)) == 1


@pytest.mark.parametrize(
    ("n_images", "n_clusters", "expected"),
    [
        (50_000, 10, 167),  # CIFAR-10
        (5_000, 10, 17),  # STL-10
        (13_000, 10, 43),  # ImageNet-10
        (19_500, 15, 65),  # ImageNet-Dogs
        (3_760, 47, 141),  # DTD
        (9_537, 101, 303),  # UCF-101
        (1_281_167, 1000, 4271),  # ImageNet-1K
        (20, 3, 6),  # few images: a third of them at most
        (1, 2, 1),
    ],
)
def test_the_number_of_centres_is_tacs(n_images, n_clusters, expected):
    config = SelectionConfig(max_centres=None)
    assert count_centres(n_images, n_clusters, config) == expected
    assert bounded_centres(n_images, n_clusters, config) is None


@pytest.mark.parametrize(
    ("n_images", "n_clusters", "expected", "bounded"),
    [
        (300_000, 10, 1000, None),
        (300_200, 10, 1000, 1000),
        (10**8, 62, 1000, 1000),
        (1_281_167, 1000, 3000, 3000),  # three a cluster
        (100_000, 2000, 6000, None),
    ],
)
def test_there_are_no_more_centres_than_help(n_images, n_clusters, expected, bounded):
    config = SelectionConfig()
    assert count_centres(n_images, n_clusters, config) == expected
    assert bounded_centres(n_images, n_clusters, config) == bounded


def test_centres_are_unit_and_no_more_than_the_images_that_differ():
    images = np.repeat(unit(4, 6, 0), 5, axis=0)
    centres = image_centres(images, 10, n_init=2, random_state=0)
    assert centres.shape == (4, 6)
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 1, atol=1e-5)
    single = image_centres(images[:3], 10, n_init=2, random_state=0)
    np.testing.assert_allclose(single, images[:1], atol=1e-5)


@pytest.mark.parametrize(
    ("n_images", "expected"),
    [
        (100_000, None),  # all of them, as ever
        (100_001, 100_000),
        (600_000, 100_000),  # 2,000 centres, 50 images each
        (1_000_000, 166_650),
    ],
)
def test_of_many_images_centres_are_fitted_on_some(n_images, expected):
    assert rows_fitted(n_images, 62, SelectionConfig(max_centres=None)) == expected
    assert rows_fitted(n_images, 62, SelectionConfig()) == (100_000 if expected else None)


def test_how_many_images_are_fitted_is_no_part_of_a_result_that_knew_no_such_thing():
    assert not {"fit_rows", "max_centres"} & set(identity_of(SelectionConfig()))
    assert identity_of(SelectionConfig(fit_rows=500))["fit_rows"] == 500


def test_centres_of_a_sample_lie_among_the_images():
    kinds = unit(6, 16, 0)
    images = normalise(kinds[np.arange(3000) % 6] + 0.05 * unit(3000, 16, 1))
    some = image_centres(images, 6, n_init=3, random_state=0, max_rows=300)
    assert some.shape == (6, 16)
    np.testing.assert_allclose(np.sort((some @ kinds.T).max(axis=0)), 1, atol=1e-3)


def test_rows_are_taken_by_their_numbers():
    rows = unit(40_000, 3, 0)
    numbers = np.array([0, 16_383, 16_384, 39_999])
    np.testing.assert_array_equal(take_rows(rows, numbers), rows[numbers])
