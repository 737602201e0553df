"""The steps that measure a run, on small artifacts and real encoders' files."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_score

from sortal.configs.encoder import EncoderConfig
from sortal.configs.evaluation import EvaluationConfig
from sortal.configs.partition import PartitionConfig
from sortal.storage.artifacts import Written, publish
from sortal.storage.hashing import hash_text
from sortal.storage.rows import as_rows
from sortal.storage.workspace import Workspace
from sortal.tasks.evaluation.label_free import draw, geometry, silhouette, stability, summarise
from sortal.tasks.evaluation.metrics import METRICS
from sortal.tasks.evaluation.step import evaluate, evaluate_names, join_labels, majority, resample

IMAGES = pa.table(
    {
        "key": ["k1", "k2", "k2", "k3", None],
        "label": pa.array(["cat", "dog", "dog", None, "cat"], pa.string()),
    }
)
ASSIGNMENTS = pa.table({"key": ["k3", "k2", "k1"], "cluster": pa.array([0, 1, 0], pa.int32())})


def test_labels_are_joined_by_key_and_the_rest_is_counted():
    rows, counts = join_labels(IMAGES, ASSIGNMENTS)
    assert sorted(zip(*rows.drop_columns("key").to_pydict().values(), strict=True)) == [
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
    metrics = evaluate(workspace, scan=scan, partition=partition, config=EvaluationConfig())
    values = figures(workspace, metrics)
    assert values["n_labelled"] == (3 if labelled else 0)
    assert values.get("acc") == (1.0 if labelled else None)
    assert values.get("recall.dog") == (1.0 if labelled else None)
    assert {name.split(".")[0] for name in values} <= {name.split(".")[0] for name in METRICS}


@pytest.mark.parametrize("label", [["cat"] * 4, ["a", "b", "c", "d"], ["cat", None, None, None]])
def test_labels_that_tell_nothing_are_not_compared(tmp_path, label):
    workspace = Workspace(tmp_path).create()
    images = {"key": list("0123"), "label": pa.array(label, pa.string())}
    clusters = {"key": list("0123"), "cluster": pa.array([0, 1, 0, 1], pa.int32())}
    scan = _artifact(workspace, "scan", images=pa.table(images))
    partition = _artifact(workspace, "partition", assignments=pa.table(clusters))
    found = evaluate(workspace, scan=scan, partition=partition, config=EvaluationConfig())
    assert figures(workspace, found).keys() == {"n_labelled", "n_unlabelled", "n_unassigned"}
    assert pq.read_table(found.file(workspace, "confusion.parquet")).num_rows == 0
    assert resample(workspace, scan=scan, partition=partition, resamples=2).rows == 0


def figures(workspace, artifact):
    table = pq.read_table(artifact.file(workspace, "metrics.parquet")).to_pydict()
    return dict(zip(table["name"], table["value"], strict=True))


def test_recall_of_each_class_is_left_out_where_there_are_too_many(tmp_path):
    workspace = Workspace(tmp_path).create()
    scan = _artifact(workspace, "scan", images=IMAGES)
    partition = _artifact(workspace, "partition", assignments=ASSIGNMENTS)
    few = EvaluationConfig(recall_classes=1)
    values = figures(workspace, evaluate(workspace, scan=scan, partition=partition, config=few))
    assert "recall.dog" not in values and values["recall_mean"] == 1.0


def test_the_majority_class_is_the_first_by_name_among_equals():
    counts = pa.table(
        {
            "label": ["dog", "cat", "cat", "emu"],
            "cluster": [0, 0, 1, 1],
            "n_images": [2, 2, 1, 5],
        }
    )
    assert majority(counts) == ({0: "cat", 1: "emu"}, ["cat", "dog", "emu"])


def test_names_are_judged_by_wordnet_and_as_texts(tmp_path):
    """In a folder of vectors without one for "emu", which is then not compared as a text."""
    workspace = Workspace(tmp_path / "w").create()
    texts = ["dog", "cat", "puppy"]
    own = {"text": texts, "vector": [[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]]}
    pq.write_table(pa.table(own), tmp_path / "nouns.parquet")
    pq.write_table(pa.table({"key": ["k"], "vector": [[1.0, 0.0]]}), tmp_path / "images.parquet")
    counts = {"label": ["dog", "cat", "emu"], "cluster": [0, 1, 2], "n_images": [3, 3, 3]}
    metrics = _artifact(workspace, "metrics", confusion=pa.table(counts))
    clusters = pa.table({"cluster": [0, 1, 2], "name": ["puppy", "cat: dog", None]})
    names = _artifact(workspace, "names", clusters=clusters)
    corpus = {"key": [hash_text(t) for t in texts], "text": texts, "synset": [None] * 3}
    found = evaluate_names(
        workspace,
        metrics=metrics,
        names=names,
        corpus=_artifact(workspace, "nouns", corpus=pa.table(corpus)),
        encoder=EncoderConfig(spec=f"vectors:{tmp_path}"),
        encoder_fingerprint="e",
        templates=("{}",),
    )
    values = figures(workspace, found)
    assert values["name_given"] == pytest.approx(2 / 3)
    assert (values["name_equal"], values["name_synonym"]) == (0.5, 0.5)
    assert values["name_hypernym"] == 1.0
    assert values["name_nearest"] == 1.0
    assert values["name_similarity"] == pytest.approx((1 + 1 / np.hypot(1, 0.1)) / 2, abs=1e-3)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 40), st.integers(1, 5), st.integers(0, 9))
def test_mean_cosine_is_that_of_all_pairs(n, dim, seed):
    rows = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = (unit @ unit.T)[np.triu_indices(n, 1)]
    found = summarise(as_rows(rows), np.array([0, n - 1]))
    assert found.cosine == pytest.approx(cosines.mean(), abs=1e-5)
    assert found.rows == pytest.approx(unit[[0, n - 1]], abs=1e-6)


def test_zero_rows_and_single_rows_have_no_cosine():
    assert summarise(as_rows(np.zeros((4, 2), np.float32)), np.array([1])).cosine is None
    assert summarise(as_rows(np.ones((1, 2), np.float32)), np.array([0])).cosine is None


def blobs(n_blobs, n=40, spread=0.05):
    rng = np.random.default_rng(0)
    centres = np.eye(8, dtype=np.float32)[:n_blobs]
    return np.repeat(centres, n, axis=0) + spread * rng.normal(size=(n_blobs * n, 8)).astype("f4")


def test_silhouette_is_scikit_learns_and_absent_where_it_means_nothing():
    rows, labels = blobs(3), np.repeat([0, 1, 2], 40)
    expected = silhouette_score(rows, labels, metric="cosine")
    assert silhouette(rows, labels) == pytest.approx(expected)
    assert silhouette(rows, np.zeros(120, int)) is None
    assert silhouette(rows, np.arange(120)) is None


def test_clusters_that_are_there_are_stable_and_cuts_through_a_ball_are_not():
    config, rng = PartitionConfig(), np.random.default_rng(0)
    assert stability(blobs(4), 4, config, 3, rng) == 1.0
    ball = np.random.default_rng(1).normal(size=(400, 8)).astype(np.float32)
    assert stability(ball, 4, config, 3, rng) < 0.7
    assert stability(np.ones((40, 8), np.float32), 2, config, 3, rng) is None


def test_a_sample_is_seeded_and_bounded_and_a_head_has_no_stability():
    rows, labels = blobs(3), np.repeat([0, 1, 2], 40)
    config = EvaluationConfig(silhouette_sample=50, stability_sample=60)

    def seen(seed, refit):
        rng = np.random.default_rng(seed)
        return geometry(as_rows(rows), as_rows(rows), labels, config, rng, refit)

    refit = (3, PartitionConfig())
    assert seen(0, refit) == seen(0, refit) != seen(1, refit)
    assert "stability" not in seen(0, None)
    assert len(draw(120, 50, np.random.default_rng(0))) == 50
    assert list(draw(3, 50, np.random.default_rng(0))) == [0, 1, 2]
