"""Matching: ids last, and what became of each cluster is said rightly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sortal.configs.lineage import LineageConfig
from sortal.tasks.lineage.matching import Before, Kindless, changes, jaccard, match

CONFIG = LineageConfig()


def events(shared, sizes=None, before=None, next_id=100, cosines=None):
    """Changes of clusters that hold just the shared images, unless sizes say otherwise."""
    shared = np.asarray(shared, dtype=np.int64)
    past = np.asarray(before if before is not None else shared.sum(axis=1), dtype=np.int64)
    now = np.asarray(sizes if sizes is not None else shared.sum(axis=0), dtype=np.int64)
    ids = np.arange(len(past), dtype=np.int64) + 50
    partner = match(shared, cosines, CONFIG)
    return changes(shared, partner, Before(ids, past), now, next_id, CONFIG)


def brief(rows):
    return [(row.cluster, row.stable_id, row.event, row.related) for row in rows]


def test_the_same_clusters_in_another_order_keep_their_ids():
    rows = events([[0, 90, 0], [0, 0, 80], [70, 0, 0]])
    assert brief(rows) == [(0, 52, "same", []), (1, 50, "same", []), (2, 51, "same", [])]
    assert [(row.came, row.went, row.overlap) for row in rows] == [(0, 0, 1.0)] * 3


def test_growth_and_loss_are_told_by_size_and_break_no_identity():
    grew, shrank = events([[100, 0], [0, 60]], sizes=[300, 60], before=[100, 120])
    assert (grew.stable_id, grew.event, grew.came, grew.went) == (50, "grew", 200, 0)
    assert (shrank.stable_id, shrank.event, shrank.came, shrank.went) == (51, "shrank", 0, 60)


def test_a_split_keeps_the_id_in_the_larger_part_and_names_its_origin():
    rows = events([[60, 40, 0], [0, 0, 50]])
    assert brief(rows) == [(0, 50, "split", [50]), (1, 100, "split", [50]), (2, 51, "same", [])]


def test_a_merger_keeps_the_id_of_the_larger_and_the_other_vanishes():
    rows = events([[60, 0], [40, 0], [0, 50]])
    assert brief(rows) == [
        (0, 50, "merged", [50, 51]),
        (1, 52, "same", []),
        (None, 51, "vanished", [50]),
    ]


def test_new_images_alone_are_born_and_deleted_ones_vanish():
    rows = events([[50, 0], [0, 0]], sizes=[50, 30], before=[50, 20])
    assert brief(rows) == [(0, 50, "same", []), (1, 100, "born", []), (None, 51, "vanished", [])]
    assert rows[1].came == 30 and rows[2].went == 20


def test_a_first_run_is_all_born():
    rows = events(np.zeros((0, 3)), sizes=[5, 4, 3], next_id=0)
    assert brief(rows) == [(0, 0, "born", []), (1, 1, "born", []), (2, 2, "born", [])]


def test_without_a_shared_image_the_nearest_centre_keeps_the_id():
    cosines = np.array([[0.1, 0.9], [0.2, 0.3]], dtype=np.float32)
    rows = events(np.zeros((2, 2)), sizes=[5, 5], before=[5, 5], cosines=cosines)
    assert brief(rows) == [(0, 100, "born", []), (1, 50, "same", []), (None, 51, "vanished", [])]
    assert rows[1].overlap is None and rows[1].came == rows[1].went == 5


def test_a_crumb_in_common_is_no_identity():
    rows = events([[2, 98], [0, 100]])
    assert [row.stable_id for row in rows] == [100, 51, 50]


@st.composite
def tables(draw):
    shape = draw(st.tuples(st.integers(0, 6), st.integers(1, 6)))
    cells = draw(st.lists(st.integers(0, 40), min_size=36, max_size=36))
    return np.array(cells[: shape[0] * shape[1]], dtype=np.int64).reshape(shape)


@settings(max_examples=150, deadline=None)
@given(tables())
def test_every_cluster_has_one_event_and_no_id_is_given_twice(shared):
    rows = events(shared)
    ids = [row.stable_id for row in rows]
    assert len(set(ids)) == len(ids)
    assert [row.cluster for row in rows if row.cluster is not None] == list(range(shared.shape[1]))
    known = set(range(50, 50 + len(shared)))
    assert known <= set(ids) and all(i in known or i >= 100 for i in ids)
    for row in rows:
        assert row.came == row.size - row.shared >= 0 <= row.went
        assert set(row.related) <= set(ids)


@settings(max_examples=100, deadline=None)
@given(tables(), st.randoms())
def test_the_order_of_clusters_does_not_matter(shared, random):
    order = list(range(shared.shape[1]))
    random.shuffle(order)
    total = lambda s: int(s[match(s, None, CONFIG), np.arange(s.shape[1])][  # noqa: E731
        match(s, None, CONFIG) >= 0].sum()) if len(s) else 0  # fmt: skip
    assert total(shared) == total(shared[:, order])


def test_jaccard_counts_only_what_both_runs_know():
    np.testing.assert_allclose(jaccard(np.array([[3, 1], [0, 4]])), [[0.75, 0.125], [0, 0.8]])


@pytest.mark.parametrize("count", [0, 1])
def test_no_clusters_or_one_is_fine(count):
    assert len(events(np.ones((count, 1)))) == 1


def test_images_in_no_cluster_are_one_anothers_match_and_never_a_clusters():
    shared = np.array([[80, 0, 1], [0, 0, 40], [0, 30, 5]])  # a kind, one that is gone, none
    ids = np.array([50, 51, -1])
    kindless = Kindless(ids == -1, np.array([False, False, True]))
    partner = match(shared, None, CONFIG, kindless)
    before = Before(ids, shared.sum(axis=1))
    rows = changes(shared, partner, before, shared.sum(axis=0), 60, CONFIG)
    assert brief(rows) == [
        (0, 50, "same", []), (1, 60, "born", []), (-1, -1, "grew", []), (None, 51, "vanished", [-1])
    ]  # fmt: skip
    assert (rows[2].shared, rows[2].came, rows[2].went) == (5, 41, 30)
    first = match(shared[:2], None, CONFIG, Kindless(np.zeros(2, bool), kindless.columns))
    rows = changes(shared[:2], first, Before(ids[:2], np.array([81, 40])), np.array([80, 0, 41]),
                   60, CONFIG)  # fmt: skip
    assert rows[2].stable_id == -1 and rows[2].event == "grew" and rows[1].stable_id == 60
