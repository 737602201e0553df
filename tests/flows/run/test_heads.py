"""Trained heads through the flow's own steps: clusters with names, probabilities and a history."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sortal.configs.errors import UsageError
from sortal.configs.load import make_config
from sortal.flows.recluster import recluster
from sortal.flows.run.plan import plan_of
from sortal.storage.artifacts import find
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace
from sortal.tasks.publishing.check import check_run
from sortal.tasks.report.page import build

KINDS, DIM, N_IMAGES = 3, 16, 120
TRAINER = ["epochs=3", "batch_size=30", "n_neighbours=5", "lr=0.01"]
LONGER = ["epochs=40", "batch_size=60", "lr=0.03"]  # TURTLE's


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Vectors of three kinds with labels, and nouns of the same kinds."""
    folder = tmp_path_factory.mktemp("vectors")
    rng = np.random.default_rng(0)
    kinds = rng.standard_normal((KINDS, DIM))

    def write(name, labels, spread, **columns):
        rows = kinds[labels] + spread * rng.standard_normal((len(labels), DIM))
        vectors = pa.array(rows.astype(np.float32).tolist(), pa.list_(pa.float32(), DIM))
        pq.write_table(pa.table({**columns, "vector": vectors}), folder / f"{name}.parquet")

    labels = np.arange(N_IMAGES) % KINDS
    names = np.array(["cat", "boat", "tree"])
    titles = [f"a photo of a {name}" for name in names[labels]]
    keys = [f"i{i:03}" for i in range(N_IMAGES)]
    write("images", labels, 0.2, key=keys, label=names[labels], description=titles)
    words = ["cat", "boat", "tree", "kitten", "ship", "oak", "lion", "raft", "elm"]
    write("nouns", np.arange(9) % KINDS, 0.1, text=words)
    write("captions", np.arange(6) % KINDS, 0.1, text=[f"a {word} somewhere" for word in words[:6]])
    return folder


class Run:
    """A run of the flow's line of steps, and what it made."""

    def __init__(self, root, folder, method, *settings):
        values = {"source": str(folder), "n_clusters": KINDS, "method": method}
        values |= {"encoder": {"spec": f"vectors:{folder}"}, "workspace": root}
        values |= {"report": False}
        trainer = TRAINER + LONGER * (method == "turtle")
        chosen = [*(f"head.trainer.{setting}" for setting in trainer), *settings]
        self.config = make_config(values, chosen)
        self.workspace = Workspace(root).create()
        self.result = recluster.fn(self.config)
        place = "SELECT kind, fingerprint FROM artifacts WHERE run_id = ? AND role = 'partition'"
        with Lake(self.workspace, read_only=True) as lake:
            found = lake.execute(place, [self.result.run_id]).fetchone()
        self.clusters = find(self.workspace, *found)

    def table(self, name):
        return pq.read_table(self.clusters.file(self.workspace, name))


@pytest.fixture(scope="module", params=["tac", "sic", "mca", "sac", "glad", "turtle"])
def run(request, tmp_path_factory, folder):
    return Run(tmp_path_factory.mktemp("workspace"), folder, request.param)


def test_the_kinds_are_found_and_each_image_has_a_distance_and_a_probability(run):
    assert run.result.metrics["ari"] == 1.0
    table = run.table("assignments.parquet")
    types = [str(field.type) for field in table.schema]
    assert types == ["string", "int32", "float", "float"]
    assert np.all(np.bincount(table["cluster"].to_numpy()) == run.clusters.facts["sizes"])
    distance, probability = (table[name].to_numpy() for name in ("distance", "probability"))
    assert np.all((distance >= 0) & (distance < 0.5))
    assert np.all((probability > 1 / KINDS) & (probability <= 1))


def test_probabilities_sum_to_one_and_the_largest_is_the_clusters(run):
    table, assigned = run.table("probabilities-00000.parquet"), run.table("assignments.parquet")
    rows = np.array(table["probabilities"].to_pylist())
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)
    assert table["key"] == assigned["key"]
    np.testing.assert_array_equal(rows.argmax(axis=1), assigned["cluster"].to_numpy())
    np.testing.assert_allclose(rows.max(axis=1), assigned["probability"].to_numpy(), atol=1e-6)


def test_centres_are_unit_means_of_the_fused_vectors(run):
    centres = np.load(run.clusters.file(run.workspace, "centres.npy"))
    dim = 2 * DIM if run.config.head.method == "tac" else DIM
    assert centres.shape == (KINDS, dim)
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 1, atol=1e-5)


def test_the_lake_has_names_probabilities_and_curves_and_the_report_shows_them(run):
    run_id = run.result.run_id
    with Lake(run.workspace, read_only=True) as lake:
        names = lake.execute("SELECT name FROM cluster_names WHERE run_id = ?", [run_id])
        assert len({name for (name,) in names.fetchall()}) == KINDS
        query = "SELECT count(probability) FROM assignments WHERE run_id = ?"
        assert lake.execute(query, [run_id]).fetchall() == [(N_IMAGES,)]
        query = "SELECT count(*) FROM training WHERE run_id = ? AND name = 'loss'"
        assert lake.execute(query, [run_id]).fetchall() == [(run.config.head.trainer.epochs,)]
        role = "SELECT kind FROM artifacts WHERE run_id = ? AND role = 'partition'"
        assert lake.execute(role, [run_id]).fetchall() == [("head",)]
        assert lake.execute("SELECT labels_used FROM runs").fetchall() == [(False,)]
    page = build(run.workspace, run_id, run.config.source)
    assert "How the head was trained" in page and page.count("<polyline") >= 6


def test_sac_says_of_each_caption_how_far_it_trusts_it(tmp_path, folder):
    run = Run(tmp_path, folder, "sac")
    with Lake(run.workspace, read_only=True) as lake:
        rows = lake.query("FROM image_captions ORDER BY weight").to_pylist()
    assert len({row["key"] for row in rows}) == len(rows) == N_IMAGES
    assert {row["captioner"] for row in rows} == {"nearest"}
    assert all(0.5 <= row["weight"] < 1 and row["caption"] for row in rows)
    page = build(run.workspace, run.result.run_id, run.config.source)
    assert "Captions it trusts least" in page and rows[0]["caption"] in page
    with Lake(run.workspace) as lake:
        stored = lake.query("FROM runs").to_pylist()[0]
        assert not list(check_run(lake, run.workspace, stored))
        lake.execute("DELETE FROM image_captions WHERE weight > 0.6")
        (finding,) = check_run(lake, run.workspace, stored)
        assert "image_captions lacks" in finding.what
        finding.repair()
        assert lake.query("FROM image_captions ORDER BY weight").to_pylist() == rows


def test_sac_keeps_the_captions_of_a_column_and_those_that_are_not_there(tmp_path, folder):
    source = shutil.copytree(folder, tmp_path / "vectors")
    table = pq.read_table(source / "images.parquet")
    said = [text if i % 10 else None for i, text in enumerate(table["description"].to_pylist())]
    table = table.set_column(table.column_names.index("description"), "description", [said])
    pq.write_table(table, source / "images.parquet")
    column = ["modalities.description.kind=column", "head.sac.modality=description"]
    run = Run(tmp_path / "w", source, "sac", *column)
    with Lake(run.workspace, read_only=True) as lake:
        rows = lake.query("FROM image_captions ORDER BY key").to_pylist()
        stored = lake.query("FROM runs").to_pylist()[0]
        assert not list(check_run(lake, run.workspace, stored))
    assert [row["caption"] for row in rows] == said
    assert {row["captioner"] for row in rows} == {"column"}
    for row in rows:
        assert (row["error_code"], row["weight"] is None) == (
            (None, False) if row["caption"] else ("no_caption", True)
        )
    assert "Captions it trusts least" in build(run.workspace, run.result.run_id, str(source))


def test_a_dry_run_says_that_a_column_is_not_there(tmp_path, folder):
    config = {"source": str(folder), "n_clusters": 3, "method": "sac", "workspace": tmp_path / "w"}
    config |= {"encoder": {"spec": f"vectors:{folder}"}, "modalities": {"lost": {"kind": "column"}}}
    with pytest.raises(UsageError, match="lost"):
        plan_of(make_config(config, ["head.sac.modality=lost"]))


def test_methods_without_captions_have_none_in_the_lake(run):
    with Lake(run.workspace, read_only=True) as lake:
        count = lake.query("FROM image_captions").num_rows
    assert count == (N_IMAGES if run.config.method == "sac" else 0)


def test_nothing_of_the_training_is_left_behind(run):
    assert not list(run.workspace.training.glob("*"))


def test_settings_of_a_transport_train_again_only_what_reads_counterparts(run, folder):
    method = run.config.method
    again = Run(run.workspace.root, folder, method, "transport.epsilon=0.5", "transport.tol=0.01")
    same = again.clusters.fingerprint == run.clusters.fingerprint
    assert same == (method not in ("tac", "glad", "turtle"))


def test_an_epoch_picked_by_labels_is_marked_in_the_lake(tmp_path, folder):
    run = Run(tmp_path, folder, "tac", "head.selection=paper")
    with Lake(run.workspace, read_only=True) as lake:
        assert lake.execute("SELECT labels_used FROM runs").fetchall() == [(True,)]
        assert not lake.query("FROM leaderboard").num_rows


def test_a_batch_that_must_collapse_is_refused_before_anything_is_embedded(tmp_path, folder):
    with pytest.raises(UsageError, match="batch_size must be at least n_clusters = 3, got 2"):
        Run(tmp_path, folder, "tac", "head.trainer.batch_size=2")
    assert not Workspace(tmp_path).vectors.exists()


def test_a_batch_larger_than_the_collection_is_made_to_fit_and_the_lake_says_so(tmp_path, folder):
    run = Run(tmp_path, folder, "mca", "head.trainer.batch_size=512")
    assert run.clusters.facts["batch_size"] == N_IMAGES // 7
    with Lake(run.workspace, read_only=True) as lake:
        size = "SELECT value FROM metrics WHERE name = 'partition.batch_size'"
        assert lake.execute(size).fetchall() == [(17.0,)]
