"""Classes that are given, through the flow: names, ids, the mark in the lake, and new images."""

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
from sortal.tasks.classes.names import names_in
from sortal.tasks.report.page import build

KINDS, DIM, N = ("cat", "boat", "fire engine"), 16, 90
LABELS = np.array([0, 0, 1, 2])[np.arange(N) % 4]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Vectors of three kinds, labelled, and texts that are near them."""
    folder = tmp_path_factory.mktemp("cifar10")
    rng = np.random.default_rng(0)
    kinds = rng.standard_normal((3, DIM))

    def write(name, rows, **columns):
        vectors = pa.array(rows.astype(np.float32).tolist(), pa.list_(pa.float32(), DIM))
        pq.write_table(pa.table({**columns, "vector": vectors}), folder / f"{name}.parquet")

    labels = np.array(["cat", "boat", "fire_engine"])[LABELS]
    rows = kinds[LABELS] + 0.2 * rng.standard_normal((N, DIM))
    write("images", rows, key=[f"i{i}" for i in range(N)], label=labels)
    write("texts", np.vstack([kinds, -kinds]), text=[*KINDS, "dog", "raft", "tree"])
    return folder


def settings(folder, workspace, *more, **values):
    given = {"source": f"vectors:{folder}", "method": "zero-shot", "workspace": workspace}
    given |= {"collection": "cifar10", "report": False}
    return make_config(given | values, more)


@pytest.fixture(scope="module")
def run(tmp_path_factory, folder):
    workspace = Workspace(tmp_path_factory.mktemp("workspace")).create()
    return workspace, recluster.fn(settings(folder, workspace.root))


def test_each_image_is_of_the_class_whose_name_is_nearest_and_kinds_are_called_so(run):
    workspace, result = run
    assert result.metrics["acc"] == 1.0
    with Lake(workspace, read_only=True) as lake:
        named = lake.execute("SELECT name, size FROM cluster_cards ORDER BY size DESC").fetchall()
    assert named == [("cat", 46), ("fire engine", 22), ("boat", 22)]


def test_such_a_run_is_marked_and_compared_with_papers_alone(run):
    workspace, result = run
    with Lake(workspace) as lake:
        marked = lake.execute("SELECT labels_used, supervision FROM runs").fetchall()
        assert marked == [(True, "class names from labels")]
        assert not lake.query("FROM leaderboard").num_rows
        (ceiling,) = lake.query("FROM ceilings").to_pylist()
        assert ceiling["acc"] == 1.0 and ceiling["supervision"] == "class names from labels"
        lake.execute("UPDATE runs SET encoder = 'open_clip:ViT-B-32/openai'")
        beside = lake.query("FROM beside_published").to_pylist()
    assert {row["metric"] for row in beside} == {"acc", "nmi", "ari"}
    assert {row["method"] for row in beside} == {"zero-shot"} and beside[0]["published"] > 0.7
    page = build(workspace, result.run_id, "source")
    assert "zero-shot, with class names from labels" in page and "a ceiling for methods" in page


def test_names_of_a_file_do_the_same_and_new_images_are_placed(tmp_path, folder):
    names = tmp_path / "names.txt"
    names.write_text("cat\r\n\nboat \nfire  engine\ncat\n")
    config = settings(folder, tmp_path / "ws", f"classes.names={names}")
    assert recluster.fn(config).metrics["acc"] == 1.0
    workspace = Workspace(tmp_path / "ws")
    with Lake(workspace, read_only=True) as lake:
        (ceiling,) = lake.query("FROM ceilings").to_pylist()
    assert ceiling["supervision"] == "class names from a file"
    assert ceiling["method"] == "zero-shot [classes.names=names.txt]"
    with Lake(workspace) as lake:
        lake.execute("UPDATE runs SET encoder = 'open_clip:ViT-B-32/openai'")
        beside = lake.query("FROM beside_published").to_pylist()
        lake.execute(f"UPDATE runs SET encoder = 'vectors:{folder.name}'")
    assert {row["method"] for row in beside} == {"zero-shot"}
    assert {row["ours_by"] for row in beside} == {ceiling["method"]}
    _, rows = assign(workspace, str(folder))
    assert rows["name"].to_pylist() == [KINDS[label] for label in LABELS]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["n_clusters=2"], "must be the number of classes named, 3, got 2; leave -k out"),
        (["classes.names=gone.txt"], "no file is there"),
        (["fusion.centred=true"], "use --method zero-shot"),
        (["head.method=tac"], "use --method zero-shot"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, folder, more, words):
    with pytest.raises(UsageError, match=words) as error:
        recluster.fn(settings(folder, tmp_path, *more))
    assert "\n" not in str(error.value)


def test_a_file_of_names_is_hostile_input(tmp_path):
    path = tmp_path / "names"
    for content, words in [
        (b"\xff\xfe\x00", "UTF-8"),
        (b"cat\n", "at least 2 classes, got 1"),
        (b"cat\nd\x1b[31mog\n", "printable"),
        (b"cat\n" + b"x" * 300, "printable"),
    ]:
        path.write_bytes(content)
        with pytest.raises(UsageError, match=words):
            names_in(path)
