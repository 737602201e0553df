"""`sortal assign`: an image of the run gets what the run gave it, and a new one what is nearest."""

import csv
import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sortal.configs.errors import RunError, UsageError
from sortal.configs.schema import RunConfig
from sortal.flows.operations.assign import assign, load_run
from sortal.flows.recluster import recluster
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace

KINDS, DIM, N = 4, 16, 480
GAPS = np.random.default_rng(7).standard_normal((2, DIM)).astype(np.float32)
CENTRES = np.random.default_rng(8).standard_normal((KINDS, DIM)).astype(np.float32)


def column(vectors):
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, DIM)


def write_images(folder: Path, kinds, seed: int, prefix: str = "i", noise: float = 0.3) -> Path:
    """Vectors of images of the given kinds, in one cone."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = np.random.default_rng(seed).standard_normal((len(kinds), DIM)).astype(np.float32)
    vectors = GAPS[0] + CENTRES[kinds] + noise * drawn
    keys = [f"{prefix}{i:04d}" for i in range(len(kinds))]
    pq.write_table(pa.table({"key": keys, "vector": column(vectors)}), folder / "images.parquet")
    return folder


def write_texts(folder: Path, name: str, seed: int) -> None:
    kinds = np.arange(40) % KINDS
    drawn = np.random.default_rng(seed).standard_normal((40, DIM)).astype(np.float32)
    texts = [f"{name} {i} of kind {kind}" for i, kind in enumerate(kinds)]
    table = pa.table({"text": texts, "vector": column(GAPS[1] + CENTRES[kinds] + 0.2 * drawn)})
    pq.write_table(table, folder / f"{name}s.parquet")


HEADS = ("tac", "sic", "mca", "sac", "glad", "turtle")


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A collection of ready-made vectors, clustered by nine methods in one workspace."""
    root = tmp_path_factory.mktemp("assign")
    folder = write_images(root / "in", np.arange(N) % KINDS, seed=0)
    write_texts(folder, "noun", 1)
    write_texts(folder, "caption", 2)
    head = {"trainer": {"epochs": 2, "batch_size": 64, "n_neighbours": 10}}
    for method in (*HEADS, "kmeans", "tac-free", "cae-concat", "cae"):
        values = {"source": str(folder), "encoder": {"spec": f"vectors:{folder}"}}
        values |= {"method": method, "n_clusters": KINDS, "workspace": root / "workspace"}
        recluster.fn(RunConfig(**values, report=False, partition={"n_init": 2}, head=head))
    return root


@pytest.fixture
def workspace(world) -> Workspace:
    return Workspace(world / "workspace")


def run_of(workspace: Workspace, method: str) -> str:
    with Lake(workspace, read_only=True) as lake:
        query = "SELECT run_id FROM runs WHERE method = ?"
        return lake.query(query, [method])["run_id"][0].as_py()


def placements(workspace: Workspace) -> list[dict]:
    with Lake(workspace, read_only=True) as lake:
        return lake.query("FROM placements ORDER BY run_id, source, path").to_pylist()


@pytest.mark.parametrize("method", ["cae", "kmeans", "tac-free", "cae-concat", *HEADS])
def test_an_image_of_the_run_keeps_its_cluster_and_distance(world, workspace, method):
    stored, rows = assign(workspace, str(world / "in"), run=run_of(workspace, method), keep=False)
    with Lake(workspace, read_only=True) as lake:
        query = "SELECT key, cluster, distance FROM assignments WHERE run_id = ?"
        own = lake.query(query, [stored.run_id]).sort_by("key")
    rows = rows.sort_by("key")
    assert rows["key"].to_pylist() == own["key"].to_pylist()
    assert rows["cluster"].to_pylist() == own["cluster"].to_pylist()
    np.testing.assert_allclose(rows["distance"], own["distance"], atol=1e-5)
    further = rows["next_distance"].to_numpy() - rows["distance"].to_numpy()
    assert method in HEADS or further.min() > -1e-6
    assert 0 < sum(rows["unlike"].to_pylist()) <= 0.02 * N


def test_new_images_go_to_their_kind_and_strange_ones_are_unlike(world, workspace, tmp_path):
    _, old = assign(workspace, str(world / "in"), keep=False)
    cluster_of = dict(zip(np.arange(N) % KINDS, old["cluster"].to_pylist(), strict=True))
    kinds = np.arange(100) % KINDS
    _, rows = assign(workspace, str(write_images(tmp_path / "new", kinds, 5, "n")), keep=False)
    assert rows["cluster"].to_pylist() == [cluster_of[kind] for kind in kinds]
    assert None not in rows["name"].to_pylist()
    like = np.mean(rows["unlike"].to_pylist())
    odd = write_images(tmp_path / "odd", kinds, seed=6, noise=30.0)
    unlike = np.mean(assign(workspace, str(odd), keep=False)[1]["unlike"].to_pylist())
    assert like < 0.06 and unlike > max(0.2, 5 * like)


def test_what_others_are_placed_with_an_image_changes_nothing(workspace, tmp_path):
    many = write_images(tmp_path / "many", np.zeros(50, int), seed=5)
    table = pq.read_table(many / "images.parquet").slice(7, 1)
    (tmp_path / "one").mkdir()
    pq.write_table(table, tmp_path / "one" / "images.parquet")
    alone, among = (assign(workspace, str(tmp_path / n), keep=False)[1] for n in ("one", "many"))
    assert alone["cluster"][0] == among["cluster"][7]
    assert alone["distance"][0].as_py() == pytest.approx(among["distance"][7].as_py(), abs=1e-5)


def test_placements_are_recorded_once_however_often(workspace, tmp_path):
    source = write_images(tmp_path / "new", np.arange(8) % KINDS, seed=5, prefix="n")
    runs = [run_of(workspace, method) for method in ("cae", "kmeans")]
    before = len(placements(workspace))
    assign(workspace, str(source), run=runs[0], keep=False)
    assert len(placements(workspace)) == before
    for run in (runs[0], runs[0], runs[1]):
        stored, rows = assign(workspace, str(source), run=run)
    mine = [row for row in placements(workspace) if row["source"] == str(source)]
    assert len(mine) == 16
    last = [row for row in mine if row["run_id"] == runs[1]]
    for name in ("path", "key", "cluster", "name", "distance", "threshold", "unlike", "status"):
        assert [row[name] for row in last] == rows[name].to_pylist()


def test_the_newest_run_is_taken_unless_one_is_named(world, workspace):
    newest = run_of(workspace, "cae")
    assert (
        load_run(workspace, None, None).run_id == load_run(workspace, None, "in").run_id == newest
    )
    with pytest.raises(UsageError, match="no run 'nope' in .*`sortal runs` lists them"):
        load_run(workspace, "nope", None)
    with pytest.raises(UsageError, match="no run of collection 'cats'"):
        load_run(workspace, None, "cats")


def test_ready_made_vectors_may_be_called_as_cluster_calls_them(world, workspace, tmp_path):
    images = write_images(tmp_path / "new", np.arange(4), seed=3)
    run = run_of(workspace, "kmeans")
    _, plain = assign(workspace, str(images), run)
    _, called = assign(workspace, f"vectors:{images}", run)
    assert called == plain
    with pytest.raises(UsageError, match=r"must hold a file \*images\*"):
        assign(workspace, f"vectors:{tmp_path}", run)


def test_a_source_that_cannot_fit_the_run_is_refused_in_one_line(workspace, tmp_path, photos):
    with pytest.raises(UsageError, match="must be a folder with .*images.*got"):
        assign(workspace, str(photos))
    other = tmp_path / "other"
    other.mkdir()
    short = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(6, np.float32)), 3)
    pq.write_table(pa.table({"key": ["a", "b"], "vector": short}), other / "images.parquet")
    with pytest.raises(UsageError, match="must have the 16 dimensions of the run's .* got 3"):
        assign(workspace, str(other))


def test_an_artifact_that_is_gone_or_damaged_is_named_with_the_way_out(world, tmp_path):
    shutil.copytree(world / "workspace", tmp_path / "workspace")
    workspace = Workspace(tmp_path / "workspace")
    place = load_run(workspace, None, None).places["noun.transport"]
    file = workspace.artifacts / place["kind"] / place["fingerprint"] / "potential.npz"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(RunError, match=r"artifact noun.transport .*`sortal cluster .* -k 4"):
        assign(workspace, str(world / "in"))
    file.unlink()
    with pytest.raises(RunError, match=r"artifact noun.transport"):
        assign(workspace, str(world / "in"))


def test_the_command_writes_rows_to_stdout_and_what_they_mean_to_stderr(world, workspace, tmp_path):
    code = "import sys; from sortal.flows.cli.app import main; sys.argv[0] = 'sortal'; main()"
    source = write_images(tmp_path / "new", np.arange(8) % KINDS, seed=5, prefix="n")
    arguments = ["assign", str(source), "-w", str(workspace.root), "--no-record", "--format"]
    done = subprocess.run(
        [sys.executable, "-c", f"{code}", *arguments, "csv"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["path"] for row in rows] == [f"n{i:04d}" for i in range(8)]
    assert "8 images placed in run" in done.stderr and "unlike anything seen" in done.stderr
    for wrong, words in (("xml", "got xml"), ("parquet", "needs --output")):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments, wrong],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
