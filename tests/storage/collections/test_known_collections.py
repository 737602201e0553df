"""A collection is its source, however it is written; its name is for people."""

import os

import pytest

from lakes import run_row, tables
from sortal.configs.errors import UsageError
from sortal.configs.remote import name_of
from sortal.flows.operations.collections import rebind
from sortal.storage.collections.known import bind, collection_at, known_collections
from sortal.storage.collections.place import place_of
from sortal.storage.hashing import hash_text
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Two folders of the same name, a link to the first, and a workspace."""
    for folder in ("A/photos", "B/photos", "A/trip.2023"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.png").touch()
    (tmp_path / "link").symlink_to(tmp_path / "A/photos")
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path / "workspace").create()


def publish(workspace, source, name, number=0, *, binds=True):
    """A run of a collection, as `commit` publishes it; without `binds` as versions before did."""
    row = run_row(number, collection=name, source=source, scan=f"scan of {name}")
    with Lake(workspace) as lake:
        if binds:
            lake.publish(
                row, tables(row), bind=lambda it: bind(it, workspace, name, source, source)
            )
        else:
            lake.publish(row, tables(row))


def found(workspace, source, given=None):
    """The name of the collection that a run of this source would be of."""
    with Lake(workspace, read_only=True) as lake:
        name = given or name_of(source)
        known = collection_at(lake, workspace, source, name, given is not None)
        return known.collection if known else name


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("A/trip.2023", "trip.2023"),
        ("A/trip.2023/", "trip.2023"),
        ("shots.tar", "shots"),
        ("shots.v2.tar.gz", "shots.v2"),
        ("shots.PARQUET", "shots"),
        (".tar", ".tar"),
        ("s3://user:pw@bucket/birds.tar?X-Amz-Signature=1", "birds"),
        ("https://example.org/", "example.org"),
        ("A/photos/../trip.2023", "trip.2023"),
        ("A/photos/..", "A"),
    ],
)
def test_the_name_is_a_folders_whole_name_and_a_files_without_its_container(world, source, name):
    assert name_of(source) == name


def test_here_is_called_by_its_folder(world, monkeypatch):
    monkeypatch.chdir("A/trip.2023")
    assert name_of(".") == "trip.2023"


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("https://me:pw@Example.org:80/a/?token=1&id=2", "https://example.org:80/a?id=2"),
        ("s3://Bucket/a/", "s3://Bucket/a"),
    ],
)
def test_the_place_of_a_url_has_no_credentials(world, source, place):
    assert place_of(source, world) == place


def test_a_folder_is_one_collection_by_any_spelling(world):
    publish(world, "A/photos", "photos")
    whole = world.root.parent / "A/photos"
    for source in ("A/photos/", "./A/../A/photos", str(whole), "link", f"file://{whole}"):
        assert found(world, source) == "photos"
        assert place_of(source, world) == str(whole)


def test_another_source_under_a_known_name_is_refused_with_a_way_out(world):
    publish(world, "A/photos", "photos")
    with pytest.raises(
        UsageError, match=r"photos is .*A/photos, got .*B/photos; .*--collection NAM"
    ):
        found(world, "B/photos")
    with pytest.raises(UsageError, match=r"collections --rebind photos .*B/photos"):
        found(world, "B/photos", given="photos")
    assert found(world, "B/photos", given="others") == "others"
    publish(world, "B/photos", "others", 1)
    assert found(world, "B/photos") == "others"  # from now on by its source


def test_of_two_first_runs_under_one_name_the_second_publishes_nothing(world):
    publish(world, "A/photos", "photos")
    with pytest.raises(UsageError, match="a collection has one source"):
        publish(world, "B/photos", "photos", 1)
    with Lake(world, read_only=True) as lake:
        assert lake.execute("SELECT run_id FROM runs").fetchall() == [("run-0000",)]


def test_a_link_that_leads_elsewhere_now_is_another_source(world):
    publish(world, "link", "link")
    link = world.root.parent / "link"
    link.unlink()
    link.symlink_to(world.root.parent / "B/photos")
    with pytest.raises(UsageError, match="a collection has one source"):
        found(world, "link")


def test_a_source_in_the_workspace_moves_with_it(world):
    inside = world.root / "collections/birds"
    inside.mkdir(parents=True)
    publish(world, str(inside), "birds")
    moved = Workspace(world.root.rename(world.root.parent / "elsewhere"))
    assert found(moved, str(moved.root / "collections/birds")) == "birds"


def test_a_collection_of_before_is_found_by_the_source_of_its_newest_run(world):
    publish(world, str(world.root.parent / "A/photos"), "trip", 0, binds=False)
    publish(world, str(world.root.parent / "A/trip.2023"), "trip", 1, binds=False)
    assert found(world, "A/trip.2023") == "trip"
    assert found(world, "A/photos") == "photos"


def test_a_relative_source_of_before_was_where_the_workspace_has_scanned(world):
    publish(world, "photos", "photos", binds=False)
    (world.root / "scans").mkdir()
    scanned = hash_text(str(world.root.parent / "A/photos"))
    (world.root / "scans" / f"{scanned}.parquet").touch()
    assert found(world, "A/photos") == "photos"
    os.chdir("B")
    with pytest.raises(UsageError, match="a collection has one source"):
        found(world, "photos")


def test_a_moved_source_is_followed_by_one_command(world):
    publish(world, "A/photos", "photos")
    publish(world, "A/trip.2023", "trip.2023", 1)
    (world.root.parent / "A/photos").rename(world.root.parent / "pictures")
    assert "its runs, ids and names stay" in rebind(world.root, "photos", "pictures")
    assert found(world, "pictures") == "photos"
    with Lake(world, read_only=True) as lake:
        assert {known.collection for known in known_collections(lake)} == {"photos", "trip.2023"}
    for name, source, words in (
        ("nope", "pictures", "takes the name of a collection, got 'nope'; there is photos, trip"),
        ("photos", "nowhere", "source must exist"),
        ("photos", "A/trip.2023", "a source is one collection: A/trip.2023 is trip.2023 already"),
    ):
        with pytest.raises(UsageError, match=words):
            rebind(world.root, name, source)
