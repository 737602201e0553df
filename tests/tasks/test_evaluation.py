import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from storage.artifacts import Written, publish
from storage.workspace import Workspace
from tasks.evaluation import accuracy, ari, confusion, evaluate, join_labels, nmi, purity

pairs = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), min_size=1, max_size=80)


@settings(max_examples=200, deadline=None)
@given(pairs)
def test_figures_equal_scikit_learn(rows):
    labels, clusters = np.array(rows).T
    counts = confusion(labels, clusters)
    assert (counts == contingency_matrix(labels, clusters)).all()
    assert nmi(counts) == pytest.approx(normalized_mutual_info_score(labels, clusters), abs=1e-9)
    assert ari(counts) == pytest.approx(adjusted_rand_score(labels, clusters), abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(pairs, st.randoms(use_true_random=False))
def test_figures_do_not_depend_on_what_clusters_are_called(rows, random):
    labels, clusters = np.array(rows).T
    names = list(range(10))
    random.shuffle(names)
    before, after = confusion(labels, clusters), confusion(labels, np.array(names)[clusters])
    for figure in (accuracy, nmi, ari, purity):
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


def test_surplus_clusters_cost_accuracy_but_not_purity():
    counts = confusion(["a", "a", "b", "b"], [0, 1, 2, 3])
    assert accuracy(counts) == 0.5
    assert purity(counts) == 1.0


def test_nothing_to_compare_is_not_a_number():
    counts = confusion([], [])
    assert all(math.isnan(figure(counts)) for figure in (accuracy, nmi, ari, purity))


def test_pair_counts_do_not_overflow_at_a_hundred_million_images():
    counts = np.full((10, 10), 1_000_000, dtype=np.int64)
    assert ari(counts) == pytest.approx(0.0, abs=1e-6)
    assert ari(np.diag([10_000_000] * 10)) == 1.0


IMAGES = pa.table(
    {
        "key": ["k1", "k2", "k2", "k3", None],
        "label": pa.array(["cat", "dog", "dog", None, "cat"], pa.string()),
    }
)
ASSIGNMENTS = pa.table({"key": ["k3", "k2", "k1"], "cluster": pa.array([0, 1, 0], pa.int32())})


def test_labels_are_joined_by_key_and_the_rest_is_counted():
    rows, counts = join_labels(IMAGES, ASSIGNMENTS)
    assert sorted(zip(*rows.to_pydict().values(), strict=True)) == [
        ("cat", 0),
        ("dog", 1),
        ("dog", 1),
    ]
    assert counts == {"n_labelled": 3, "n_unlabelled": 1, "n_unassigned": 1}


def _artifact(workspace, kind, **tables):
    def body(folder):
        for name, table in tables.items():
            pq.write_table(table, folder / f"{name}.parquet")
        return Written()

    return publish(workspace, kind, kind * 3, body)


@pytest.mark.parametrize("labelled", [True, False])
def test_the_step_writes_names_and_values(tmp_path, labelled):
    workspace = Workspace(tmp_path).create()
    label = IMAGES["label"] if labelled else pa.nulls(5, pa.string())
    scan = _artifact(workspace, "scan", images=IMAGES.set_column(1, "label", label))
    partition = _artifact(workspace, "partition", assignments=ASSIGNMENTS)
    metrics = evaluate(workspace, scan=scan, partition=partition)
    table = pq.read_table(metrics.file(workspace, "metrics.parquet")).to_pydict()
    values = dict(zip(table["name"], table["value"], strict=True))
    assert values["n_labelled"] == (3 if labelled else 0)
    assert values.get("acc") == (1.0 if labelled else None)
