"""A workspace of 2026-11-26 opens, answers and goes on growing; tests/data says how it was made."""

import os
import tarfile
from pathlib import Path

import pytest

from drawn import draw
from sortal.configs.load import make_config
from sortal.flows.operations.collections import rebind
from sortal.flows.operations.delete import delete
from sortal.flows.operations.verify import verify
from sortal.flows.recluster import recluster
from sortal.storage.hashing import hash_text
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace

PACKED = Path(__file__).parents[2] / "data" / "workspace-2026-11-26.tar.xz"
SETTINGS = ["nouns.lexnames=[noun.Tops]", "images.num_workers=0", "encoder.num_workers=0"]


@pytest.fixture
def old(tmp_path, monkeypatch):
    """The workspace, and beside it the pictures that were in it, drawn again."""
    with tarfile.open(PACKED) as packed:
        packed.extractall(tmp_path, filter="data")
    draw(tmp_path / "trip.2023", 0, 7)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(root, source):
    values = {"source": source, "n_clusters": 3, "workspace": root / "workspace"}
    return recluster.fn(make_config({**values, "captions": {"source": "none"}}, SETTINGS))


def rows(root, query):
    with Lake(Workspace(root / "workspace"), read_only=True) as lake:
        return lake.execute(query).fetchall()


def ids(root):
    """By content, the id and name of every image in the newest run."""
    return {
        key: rest
        for key, *rest in rows(root, "SELECT key, cluster_id, name FROM latest_assignments")
    }


def test_it_answers_in_todays_views(old):
    assert rows(old, "SELECT collection, source, place FROM collections") == [
        ("trip", "trip.2023", None)
    ]
    assert rows(old, "SELECT count(*), min(wall_seconds) > 0 FROM runs") == [(2, True)]
    assert rows(old, "SELECT sum(size) FROM cluster_cards GROUP BY run_id ORDER BY 1") == [
        (15,), (21,),
    ]  # fmt: skip
    assert rows(old, "SELECT change, count(*) FROM image_changes GROUP BY 1") == [("new", 6)]
    assert rows(old, "SELECT name FROM cluster_names WHERE pinned GROUP BY 1") == [("keepsakes",)]


def test_a_moved_folder_is_followed_and_ids_and_pinned_names_stay(old):
    before = ids(old)
    said = rebind(old / "workspace", "trip", "trip.2023")
    assert said.startswith(f"collection trip is {old / 'trip.2023'} now")
    draw(old / "trip.2023", 7, 8)
    (old / "trip.2023" / "bar-00.png").unlink()
    result = run(old, "trip.2023")
    assert result.collection == "trip"
    assert {k: n for k, n in result.changes.items() if n} == {"new": 3, "gone": 1}
    now = ids(old)
    shared = before.keys() & now.keys()
    assert len(shared) == 20 and all(before[key] == now[key] for key in shared)
    assert rows(old, "SELECT place FROM collections") == [(str(old / "trip.2023"),)]
    problems = []
    verify(old / "workspace", False, problems.append)
    assert problems == []


def test_a_name_of_before_is_found_by_its_source(old):
    scans = old / "workspace" / "scans"
    [scanned] = scans.iterdir()  # named by the folder; as if the workspace had not moved
    scanned.rename(scans / f"{hash_text(str(old / 'trip.2023'))}.parquet")
    (old / "elsewhere").mkdir()
    os.chdir(old / "elsewhere")
    draw(old / "trip.2023", 7, 8)
    result = run(old, "../trip.2023")
    assert (result.collection, result.changes["new"]) == ("trip", 3)
    draw(old / "trip.2024", 0, 4)
    assert run(old, str(old / "trip.2024")).collection == "trip.2024"
    assert rows(old, "SELECT collection, count(*) FROM runs GROUP BY 1 ORDER BY 1") == [
        ("trip", 3), ("trip.2024", 1),
    ]  # fmt: skip


def test_its_runs_can_be_deleted(old):
    first, second = (run for (run,) in rows(old, "SELECT run_id FROM runs ORDER BY finished_at"))
    before = ids(old)
    assert delete(old / "workspace", first).run["followers"] == [second]
    assert ids(old) == before
    problems = []
    verify(old / "workspace", False, problems.append)
    assert problems == []
