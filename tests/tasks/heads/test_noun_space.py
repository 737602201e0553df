"""The semantic space of a head: what the hierarchy filter drops, and what it leaves alone."""

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sortal.configs.heads import McaConfig
from sortal.tasks.arrays import normalise
from sortal.tasks.corpora import wordnet
from sortal.tasks.heads.methods.noun_space import Hierarchy, noun_space
from sortal.tasks.selection.rank import select_texts

NOUNS = ["dog.n.01", "animal.n.01", "poodle.n.01", None, "cat.n.01", "entity.n.01", "car.n.01"]
DEPTHS = [8, 6, 9, None, 11, 0, 10]


@pytest.fixture(scope="module")
def hierarchy():
    return Hierarchy.of(NOUNS, DEPTHS)


def space_of(centres, nouns, nearest, hierarchy=None, per_centre=10**6, trim="nearest"):
    config = McaConfig(centre_nouns=nearest, kept_nouns=per_centre, trim=trim)
    return noun_space(centres, nouns, config, hierarchy)


def near_one_centre(n):
    """One centre, and nouns in order of falling cosine to it."""
    angles = np.linspace(0.1, 1.2, n)
    nouns = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return np.array([[1.0, 0.0]], dtype=np.float32), nouns


def unit(n, dim, seed):
    return normalise(np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32))


def test_a_synset_above_another_of_the_same_centre_goes_and_the_rest_stays(hierarchy):
    centres, nouns = near_one_centre(len(NOUNS))
    space = space_of(centres, nouns, nearest=7, hierarchy=hierarchy)
    kept = [NOUNS[number] for number in space.numbers]
    assert kept == ["poodle.n.01", None, "cat.n.01", "car.n.01"]
    assert space.facts == {"n_near": 7, "n_ancestors": 3, "n_trimmed": 0, "hierarchy": "on"}


def test_only_the_lists_own_nouns_make_one_too_general(hierarchy):
    centres, nouns = near_one_centre(len(NOUNS))
    space = space_of(centres, nouns, nearest=2, hierarchy=hierarchy)
    assert [NOUNS[number] for number in space.numbers] == ["dog.n.01"]
    far = np.array([[0.0, 1.0], [1.0, 0.0]], dtype=np.float32)
    two = space_of(far, nouns, nearest=2, hierarchy=hierarchy)
    # entity.n.01 is above car.n.01, animal.n.01 above dog.n.01: each falls in its own list
    assert [[NOUNS[i] for i in numbers] for numbers in two.lists] == [["car.n.01"], ["dog.n.01"]]


def test_at_most_so_many_a_centre_are_kept_the_nearest_or_the_shallowest(hierarchy):
    centres, nouns = near_one_centre(len(NOUNS))
    nearest = space_of(centres, nouns, nearest=7, hierarchy=hierarchy, per_centre=2)
    assert nearest.lists[0].tolist() == [2, 3]
    assert nearest.facts["n_trimmed"] == 2
    shallow = space_of(
        centres, nouns, nearest=7, hierarchy=hierarchy, per_centre=2, trim="shallowest"
    )
    assert [DEPTHS[number] for number in shallow.lists[0]] == [9, 10]


def test_without_any_synset_the_filter_is_skipped_and_says_so(caplog):
    centres, nouns = near_one_centre(4)
    blank = Hierarchy.of([None] * 4, [None] * 4)
    with caplog.at_level(logging.WARNING, logger="sortal"):
        space = space_of(
            centres, nouns, nearest=4, hierarchy=blank, per_centre=3, trim="shallowest"
        )
    assert space.facts["hierarchy"] == "skipped" and "skipped" in caplog.text
    assert space.lists[0].tolist() == [0, 1, 2]
    assert space_of(centres, nouns, nearest=4).facts["hierarchy"] == "off"


@settings(max_examples=50, deadline=None)
@given(k=st.integers(1, 6), m=st.integers(1, 40), near=st.integers(1, 8), seed=st.integers(0, 999))
def test_without_filters_it_is_selections_own_space(k, m, near, seed):
    centres, nouns = unit(k, 6, seed), unit(m, 6, seed + 1)
    space = space_of(centres, nouns, nearest=near)
    nearest = select_texts(centres, nouns, method="nearest", top_k=near)
    np.testing.assert_array_equal(space.numbers, nearest)
    for centre, numbers in zip(centres, space.lists, strict=True):
        cosines = nouns[numbers] @ centre
        assert len(numbers) == min(near, m) and (np.diff(cosines) <= 1e-6).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_no_kept_synset_is_above_another_of_its_list(seed):
    table = wordnet.read_embedded().select(["synset", "depth"])
    rows = np.random.default_rng(seed).choice(3000, 60, replace=False)
    synsets = table["synset"].take(rows).to_pylist()
    hierarchy = Hierarchy.of(synsets, table["depth"].take(rows).to_pylist())
    space = space_of(unit(3, 5, seed), unit(60, 5, seed + 1), nearest=40, hierarchy=hierarchy)
    for numbers in space.lists:
        kept = {synsets[number] for number in numbers}
        assert kept and not any(hierarchy.above[synset] & kept for synset in kept)
