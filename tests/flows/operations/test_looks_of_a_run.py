"""A run's looks are made when asked for, grow with the collection, and are in the lake."""

import pytest

from looked_run import copies, publish, scene
from sortal.configs.errors import UsageError
from sortal.configs.looks import LOOKS, LooksConfig, MapConfig
from sortal.flows.operations.find import Shelf
from sortal.flows.operations.looks import ensure
from sortal.flows.operations.query import ask
from sortal.storage.lake.lake import Lake
from sortal.storage.maintenance.orphans import unused_artifacts
from sortal.storage.workspace import Workspace

N = 8
CONFIG = LooksConfig(map=MapConfig(landmarks=10, neighbours=3))


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    """A run over eight scenes, looked at; then one with a flipped copy and a torn file more."""
    root = tmp_path_factory.mktemp("looked")
    folder = root / "pets"
    folder.mkdir()
    for seed in range(N):
        scene(seed).save(folder / f"{seed}.png")
    scene(0).save(folder / "again.png")
    vectors = {f"{seed}.png": seed for seed in range(N)} | {"again.png": 0, "flip.jpg": 0}
    workspace = Workspace(root / "w").create()
    publish(workspace, folder, "run-1", vectors)
    first = ensure(workspace, LOOKS, config=CONFIG)
    before = ask(workspace.root, "SELECT key, x, y FROM latest_map").to_pylist()
    copies(scene(0))["flipped"].save(folder / "flip.jpg")
    (folder / "torn.png").write_bytes((folder / "1.png").read_bytes()[:400])
    publish(workspace, folder, "run-2", {**vectors, "torn.png": 9})
    second = ensure(workspace, LOOKS, config=CONFIG)
    return workspace, first, second, before


def test_only_what_is_new_is_read_compared_and_placed(looked):
    _, first, second, _ = looked
    assert first["thumbnails"].facts["n_read"] == N
    assert first["duplicates"].facts["n_compared"] == N
    assert second["thumbnails"].facts["n_read"] <= 2
    assert second["duplicates"].facts["n_compared"] == 1
    assert second["search_index"].facts["n_new"] <= 2
    assert second["map"].facts["n_new"] <= 2


def test_the_points_of_yesterday_stay_where_they_are(looked):
    workspace, _, _, before = looked
    now = {
        row["key"]: row
        for row in ask(workspace.root, "SELECT key, x, y FROM latest_map").to_pylist()
    }
    assert len(before) == N and len(now) > N
    assert all(now[row["key"]] == row for row in before)


def test_the_same_run_is_looked_at_once(looked):
    workspace, _, second, _ = looked
    again = ensure(workspace, LOOKS, config=CONFIG)
    assert [a.fingerprint for a in again.values()] == [a.fingerprint for a in second.values()]


def test_maintenance_keeps_what_was_made_for_looking(looked):
    workspace, *_ = looked
    with Lake(workspace, read_only=True) as lake:
        unused = unused_artifacts(workspace, lake, grace=-1)
    assert {path.parent.name for path in unused}.isdisjoint({*LOOKS, "scan", "image_vectors"})


def test_duplicates_are_in_the_lake_exact_and_near(looked):
    workspace, *_ = looked
    query = "SELECT kind, path, keep, change FROM duplicates"
    rows = [tuple(row.values()) for row in ask(workspace.root, query).to_pylist()]
    assert [row for row in rows if row[0] == "exact"] == [
        ("exact", "0.png", True, "same bytes"),
        ("exact", "again.png", False, "same bytes"),
    ]
    near = {row[1]: row for row in rows if row[0] == "near"}
    assert set(near) == {"0.png", "flip.jpg"}
    assert "flipped" in {row[3] for row in near.values()}


def test_an_image_finds_its_copy_and_a_filter_leaves_it_out(looked):
    workspace, *_ = looked
    shelf = Shelf.open(workspace, config=CONFIG)
    query = "SELECT DISTINCT ON (path) key FROM duplicates WHERE kind = 'near' ORDER BY path"
    key, flip = ask(workspace.root, query)["key"].to_pylist()
    hits = shelf.search(key=key, count=3)
    assert hits[0].key == flip and hits[0].score > 0.99 and len(hits) == 3
    assert shelf.search(key=key, count=3, among={hits[2].key}) == [hits[2]]
    assert set(shelf.thumbnails([key, flip, "no such key"])) == {key, flip}


@pytest.mark.parametrize(
    "asked", [{}, {"words": "  "}, {"key": "no such key"}, {"image": b"no picture"}]
)
def test_a_search_that_cannot_be_is_one_line(looked, asked):
    with pytest.raises(UsageError):
        Shelf.open(looked[0], config=CONFIG).search(**asked)
