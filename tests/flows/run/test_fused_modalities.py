"""Further modalities fused without training: what a column or captions tell and images do not."""

import logging

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sortal.configs.errors import UsageError
from sortal.configs.load import make_config
from sortal.configs.schema import FusionConfig
from sortal.flows.operations.assign import assign
from sortal.flows.recluster import recluster
from sortal.storage.artifacts import find
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace
from sortal.tasks.fusion.fuser import fuse_block

KINDS, N = 3, 120
LABELS = np.arange(N) % KINDS


def write(path, dim, spread, seed, keep, **columns):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((KINDS, dim))[LABELS] + spread * rng.standard_normal((N, dim))
    vectors = pa.array(rows[keep].astype(np.float32).tolist(), pa.list_(pa.float32(), dim))
    keys = [f"i{i:03}" for i in np.flatnonzero(keep)]
    pq.write_table(pa.table({"key": keys, **columns, "vector": vectors}), path)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Images that say little of their kind, and vectors of their captions, which say all."""
    root = tmp_path_factory.mktemp("place")
    (root / "in").mkdir()
    labels = np.array(["cat", "boat", "tree"])[LABELS]
    write(root / "in" / "images.parquet", 16, 4.0, 0, np.ones(N, bool), label=labels)
    write(root / "captions.parquet", 8, 0.1, 1, LABELS >= 0)
    write(root / "some.parquet", 16, 0.1, 2, np.arange(N) % 10 > 0)
    return root


def settings(place, workspace, *more, source="captions", **values):
    said = f"{{kind: vectors, source: {place / f'{source}.parquet'}}}"
    given = {"source": f"vectors:{place / 'in'}", "n_clusters": KINDS, "method": "vic"}
    given |= {"report": False}
    fixed = [f"modalities.description={said}", "nouns.source=none", "captions.source=none"]
    return make_config(given | {"workspace": workspace} | values, [*fixed, *more])


@pytest.fixture(scope="module")
def run(place, tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("workspace")).create()
    alone = recluster.fn(settings(place, workspace.root, method="kmeans"))
    return workspace, recluster.fn(settings(place, workspace.root)), alone


def fused_of(workspace, run_id):
    query = "SELECT kind, fingerprint FROM artifacts WHERE run_id = ? AND role = 'fused'"
    with Lake(workspace, read_only=True) as lake:
        return find(workspace, *lake.execute(query, [run_id]).fetchone())


def test_captions_of_images_are_fused_without_training(run):
    workspace, result, alone = run
    assert alone.metrics["ari"] < 0.5 < 0.95 < result.metrics["ari"]
    fused = fused_of(workspace, result.run_id)
    assert fused.facts["mean_weights"] == {"image": 0.5, "description": 0.5}
    weights = pq.read_table(fused.file(workspace, "weights.parquet"))
    assert weights.column_names == ["key", "w_image", "w_noun", "w_caption", "w_description"]


def test_new_images_are_placed_by_what_is_known_of_them_with_a_warning(run, place, caplog):
    workspace, _, _ = run
    with caplog.at_level(logging.WARNING, "sortal"):
        _, rows = assign(workspace, str(place / "in"))
    assert rows.num_rows == N and set(rows["status"].to_pylist()) == {"ok"}
    assert "decides by description too" in caplog.text


def test_what_an_image_lacks_weighs_nothing_and_adaptive_weights_do_for_equal_lengths(
    place, tmp_path
):
    adaptive = ["fusion.mode=sum", "fusion.weights=adaptive"]
    result = recluster.fn(settings(place, tmp_path, *adaptive, source="some"))
    workspace = Workspace(tmp_path)
    path = fused_of(workspace, result.run_id).file(workspace, "weights.parquet")
    shares = pq.read_table(path)["w_description"].to_numpy()
    assert np.count_nonzero(shares == 0.0) == N // 10 and np.all(shares[shares > 0] > 0.1)


def test_the_number_of_clusters_is_found_on_what_is_fused(place, tmp_path):
    recluster.fn(settings(place, tmp_path, n_clusters="2..4"))
    with Lake(Workspace(tmp_path), read_only=True) as lake:
        query = "SELECT agreement FROM count_scores WHERE n_clusters = 3"
        assert lake.execute(query).fetchone()[0] > 0.9  # of images alone it is 0.1


def test_a_row_that_is_missing_changes_nothing_of_the_others():
    rng = np.random.default_rng(0)
    image, other = (rng.standard_normal((4, 6)).astype(np.float32) for _ in range(2))
    image /= np.linalg.norm(image, axis=1, keepdims=True)
    lacking = other.copy()
    lacking[0] = 0.0
    for mode in ("sum", "concat"):
        for weights in ("adaptive", "equal"):
            rule = FusionConfig(mode=mode, weights=weights)
            whole, _ = fuse_block(image, [other], rule)
            some, share = fuse_block(image, [lacking], rule)
            np.testing.assert_array_equal(share[0], [1.0, 0.0])
            np.testing.assert_allclose(some[0, :6], image[0], rtol=1e-5)
            np.testing.assert_allclose(some[1:], whole[1:], rtol=1e-5)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["fusion.mode=sum"], "description has 8 dimensions and images have 16"),
        (["fusion.modalities=[image]"], "must name further modalities, each once"),
        (["fusion.modalities=[title]"], "must name modalities of the run .*got 'title'"),
        (["choose.candidates=[image]"], "does not choose what is fused"),
    ],
)
def test_what_cannot_be_fused_is_one_line(place, tmp_path, more, words):
    with pytest.raises(UsageError, match=words) as error:
        recluster.fn(settings(place, tmp_path, *more))
    assert "\n" not in str(error.value)
