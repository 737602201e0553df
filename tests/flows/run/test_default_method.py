"""Where no method is given: the default, or the former one where a collection knows no other."""

import logging
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sortal.configs import FORMER_METHOD, METHOD
from sortal.configs.load import make_config
from sortal.flows.operations.lineage import rename
from sortal.flows.recluster import recluster
from sortal.flows.run.collection import of_its_collection
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace

FEW = ("choose.max_fits=4", "choose.steps=70")


def config(folder: Path, workspace: Path, *settings: str, **values):
    given = {"source": f"vectors:{folder}", "n_clusters": 10, "workspace": workspace}
    given |= {"report": False, **values}
    return make_config(given, (*FEW, *settings))


@pytest.fixture(scope="module")
def upgraded(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of vectors and the workspace of its only run, by the former default."""
    folder = shutil.copytree(clip, tmp_path_factory.mktemp("former") / "clip")
    workspace = tmp_path_factory.mktemp("workspace")
    run = recluster.fn(config(folder, workspace, method=FORMER_METHOD))
    rename(workspace, 3, "my own name", run.run_id)
    return folder, workspace


def methods(workspace: Path) -> list[str]:
    with Lake(Workspace(workspace), read_only=True) as lake:
        rows = lake.execute("SELECT method FROM runs ORDER BY finished_at").fetchall()
    return [method for (method,) in rows]


def test_a_new_collection_gets_the_default(clip, tmp_path):
    settled = of_its_collection(config(clip, tmp_path))
    assert settled.method == METHOD and settled.choose.candidates


def test_what_knows_the_former_default_alone_goes_on_with_it(upgraded, caplog):
    folder, workspace = upgraded
    (file,) = folder.glob("*images.parquet")
    images = pq.read_table(file)
    pq.write_table(images.slice(0, images.num_rows - 5), file)
    caplog.set_level(logging.INFO, "sortal")
    run = recluster.fn(config(folder, workspace, "transport.max_iter=77"))
    assert methods(workspace) == [FORMER_METHOD] * 2
    assert "goes on with cae, by which alone it was sorted so far" in caplog.text
    with Lake(Workspace(workspace), read_only=True) as lake:
        query = """
            SELECT DISTINCT config->>'$.transport.max_iter', previous_run_id
            FROM runs JOIN lineage USING (run_id) WHERE run_id = ?"""
        (found,) = lake.execute(query, [run.run_id]).fetchall()
        pinned = "SELECT name FROM cluster_names WHERE run_id = ? AND pinned"
        names = lake.execute(pinned, [run.run_id]).fetchall()
    assert found[0] == "77" and found[1] is not None
    assert names == [("my own name",)]


def test_cells_of_a_benchmark_are_no_reason(clip, tmp_path):
    recluster.fn(config(clip, tmp_path, method=FORMER_METHOD, lineage={"enabled": False}))
    assert of_its_collection(config(clip, tmp_path)).method == METHOD


def test_a_method_that_is_given_is_taken_and_from_then_on_the_default(upgraded):
    folder, workspace = upgraded
    assert of_its_collection(config(folder, workspace, method="kmeans")).method == "kmeans"
    assert of_its_collection(config(folder, workspace, method=METHOD)).method == METHOD
    recluster.fn(config(folder, workspace, method=METHOD))
    assert of_its_collection(config(folder, workspace)).method == METHOD
