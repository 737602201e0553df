"""Agreement of clusters with classes: equal to scikit-learn and scipy, whatever happens."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import (
    adjusted_rand_score,
    fowlkes_mallows_score,
    normalized_mutual_info_score,
    recall_score,
)
from sklearn.metrics.cluster import contingency_matrix

from sortal.tasks.evaluation.agreement import (
    accuracy,
    ari,
    confusion,
    entropy,
    fmi,
    nmi,
    purity,
    recalls,
    score,
    shared_information,
    size_entropy,
)

pairs = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), min_size=1, max_size=80)
FIGURES = (accuracy, nmi, ari, fmi, purity)


@settings(max_examples=200, deadline=None)
@given(pairs)
def test_figures_equal_scikit_learn(rows):
    labels, clusters = np.array(rows).T
    counts = confusion(labels, clusters)
    assert (counts == contingency_matrix(labels, clusters)).all()
    assert nmi(counts) == pytest.approx(normalized_mutual_info_score(labels, clusters), abs=1e-9)
    assert ari(counts) == pytest.approx(adjusted_rand_score(labels, clusters), abs=1e-9)
    assert fmi(counts) == pytest.approx(fowlkes_mallows_score(labels, clusters), abs=1e-9)
    majority = contingency_matrix(labels, clusters).max(axis=0).sum() / len(rows)
    assert purity(counts) == pytest.approx(majority, abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(pairs)
def test_recall_is_scikit_learns_once_clusters_bear_the_names_of_their_classes(rows):
    labels, clusters = np.array(rows).T
    counts = confusion(labels, clusters)
    found = recalls(counts)
    assert found @ counts.sum(axis=1) / counts.sum() == pytest.approx(accuracy(counts))
    from scipy.optimize import linear_sum_assignment

    matched = linear_sum_assignment(counts, maximize=True)
    classes, groups = np.unique(labels), np.unique(clusters)
    renamed = {groups[column]: classes[row] for row, column in zip(*matched, strict=True)}
    told = np.array([renamed.get(cluster, -1) for cluster in clusters])
    assert found == pytest.approx(
        recall_score(labels, told, labels=classes, average=None, zero_division=0)
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(6, 9))
def test_evenness_of_sizes_equals_scipy_and_counts_empty_clusters(clusters, n_clusters):
    sizes = np.bincount(clusters, minlength=n_clusters)
    expected = scipy_entropy(sizes) / np.log(n_clusters)
    assert size_entropy(np.array(clusters), n_clusters) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(pairs, st.randoms(use_true_random=False))
def test_figures_do_not_depend_on_what_clusters_are_called(rows, random):
    labels, clusters = np.array(rows).T
    names = list(range(10))
    random.shuffle(names)
    before, after = confusion(labels, clusters), confusion(labels, np.array(names)[clusters])
    for figure in FIGURES:
        assert figure(after) == pytest.approx(figure(before), abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_accuracy_is_the_best_of_all_matchings(rows):
    from itertools import permutations

    labels, clusters = np.array(rows).T
    best = max(np.mean(np.array(names)[clusters] == labels) for names in permutations(range(4)))
    assert accuracy(confusion(labels, clusters)) == pytest.approx(best)


def test_a_collapsed_partition_scores_the_largest_class():
    counts = confusion(["a", "a", "b", "c"], [0, 0, 0, 0])
    assert counts.shape == (3, 1)
    assert (accuracy(counts), purity(counts), nmi(counts), ari(counts)) == (0.5, 0.5, 0.0, 0.0)
    assert score(counts)["recall_min"] == 0.0 and score(counts)["n_clusters_used"] == 1
    assert size_entropy(np.array([0, 0, 0, 0]), 3) == 0.0


def test_surplus_clusters_cost_accuracy_but_not_purity():
    counts = confusion(["a", "a", "b", "b"], [0, 1, 2, 3])
    assert accuracy(counts) == 0.5
    assert purity(counts) == 1.0


def test_nothing_to_compare_is_not_a_number():
    counts = confusion([], [])
    assert all(math.isnan(figure(counts)) for figure in FIGURES)


def test_pair_counts_do_not_overflow_at_a_hundred_million_images():
    counts = np.full((10, 10), 1_000_000, dtype=np.int64)
    assert ari(counts) == pytest.approx(0.0, abs=1e-6)
    assert ari(np.diag([10_000_000] * 10)) == fmi(np.diag([10_000_000] * 10)) == 1.0
    assert fmi(counts) == pytest.approx(0.1, abs=1e-6)


def test_information_that_chance_explains_is_none():
    rng = np.random.default_rng(0)
    labels = rng.integers(5, size=1000)
    others = [rng.integers(20, size=1000) for _ in range(20)]
    by_chance = [shared_information(confusion(labels, other)) for other in others]
    assert abs(np.mean(by_chance)) < 0.005
    same = shared_information(confusion(labels, labels))
    assert same == pytest.approx(entropy(np.bincount(labels) / 1000), abs=0.02)
