"""The split protocol: texts and heads are learnt on one part, measured on the other."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sortal.configs.errors import UsageError
from sortal.configs.load import make_config
from sortal.flows.operations.assign import assign
from sortal.flows.recluster import recluster
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace

KINDS, DIM = 3, 16
SMALL = [f"head.trainer.{it}" for it in ("epochs=3", "n_neighbours=5", "lr=0.01", "min_steps=7")]


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """Folders `train` and `test` of labelled vectors of the same three kinds, with nouns."""
    root = tmp_path_factory.mktemp("split")
    rng = np.random.default_rng(0)
    kinds = rng.standard_normal((KINDS, DIM))
    names = np.array(["cat", "boat", "tree"])

    def write(file, labels, spread, **columns):
        rows = kinds[labels] + spread * rng.standard_normal((len(labels), DIM))
        vectors = pa.array(rows.astype(np.float32).tolist(), pa.list_(pa.float32(), DIM))
        file.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({**columns, "vector": vectors}), file)

    for part, count in (("train", 120), ("test", 40)):
        labels = np.arange(count) % KINDS
        keys = [f"{part}{i:03}" for i in range(count)]
        write(root / part / "images.parquet", labels, 0.2, key=keys, label=names[labels])
        words = ["cat", "boat", "tree", "kitten", "ship", "oak", "lion", "raft", "elm"]
        write(root / part / "nouns.parquet", np.arange(9) % KINDS, 0.1, text=words)
        write(root / part / "captions.parquet", np.arange(3), 0.1, text=[f"a {w}" for w in names])
    both = [pq.read_table(root / part / "images.parquet") for part in ("train", "test")]
    (root / "all").mkdir()
    pq.write_table(pa.concat_tables(both), root / "all" / "images.parquet")
    for texts in ("nouns", "captions"):
        (root / "all" / f"{texts}.parquet").write_bytes(
            (root / "test" / f"{texts}.parquet").read_bytes()
        )
    return root


def run(halves, root, method, *settings):
    values = {"source": str(halves / "test"), "train": str(halves / "train"), "n_clusters": KINDS}
    values |= {
        "method": method,
        "report": False,
        "workspace": root,
        "encoder": {"spec": f"vectors:{halves / 'all'}"},
    }
    return recluster.fn(make_config(values, [*SMALL, *settings]))


@pytest.mark.parametrize("method", ["tac-free", "tac", "mca", "glad"])
def test_what_is_learnt_is_the_train_splits_and_what_is_measured_the_test_splits(
    halves, tmp_path, method
):
    result = run(halves, tmp_path, method)
    assert (result.n_images, result.metrics["ari"]) == (40, 1.0)
    with Lake(Workspace(tmp_path), read_only=True) as lake:
        assert lake.execute("SELECT protocol, labels_used FROM runs").fetchall() == [
            ("split", False)
        ]
        places = dict(lake.execute("SELECT role, n_rows FROM artifacts").fetchall())
        assert not lake.execute("FROM lineage").fetchall()
    assert (places["train.image_vectors"], places["image_vectors"]) == (120, 40)
    assert places["partition"] == 40
    assert ("train.partition" in places) == (method != "tac-free")


def test_a_head_puts_the_test_split_where_assign_would(halves, tmp_path):
    result = run(halves, tmp_path, "tac")
    workspace = Workspace(tmp_path)
    _, placed = assign(workspace, str(halves / "test"), keep=False)
    with Lake(workspace, read_only=True) as lake:
        query = "SELECT key, cluster FROM assignments WHERE run_id = ?"
        stored = dict(lake.execute(query, [result.run_id]).fetchall())
    assert (
        dict(zip(placed["key"].to_pylist(), placed["cluster"].to_pylist(), strict=True)) == stored
    )


def test_a_head_is_not_trained_again_for_other_images_to_measure_on(halves, tmp_path):
    run(halves, tmp_path, "tac")
    values = {"source": str(halves / "all"), "train": str(halves / "train"), "n_clusters": KINDS}
    values |= {"method": "tac", "workspace": tmp_path}
    recluster.fn(make_config(values | {"encoder": {"spec": f"vectors:{halves / 'all'}"}}, SMALL))
    assert len(list(Workspace(tmp_path).artifacts.glob("head/*"))) == 1
    assert len(list(Workspace(tmp_path).artifacts.glob("applied/*"))) == 2


def test_of_a_test_split_its_own_captions_are_fused(halves, tmp_path):
    said = halves / "test" / "images.parquet"
    table = pq.read_table(said)
    texts = [f"a {label}" for label in table["label"].to_pylist()]
    described = tmp_path / "test"
    described.mkdir()
    pq.write_table(table.append_column("title", [texts]), described / "images.parquet")
    (tmp_path / "train").mkdir()
    pq.write_table(
        pq.read_table(halves / "train" / "images.parquet"), tmp_path / "train" / "images.parquet"
    )
    (tmp_path / "all").symlink_to(halves / "all")
    found = run(tmp_path, tmp_path / "w", "vic", "modalities.description.kind=column",
                "modalities.description.column=title")  # fmt: skip
    assert found.metrics["acc"] == 1.0
    with pytest.raises(UsageError, match="nor learns on a train split"):
        run(tmp_path, tmp_path / "w", "tac", "modalities.description.kind=column",
            "fusion.modalities=[description]")  # fmt: skip
