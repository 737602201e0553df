"""A data folder belongs to one lake: with SQLite, and with two databases of a real PostgreSQL."""

import json
import shutil
import threading
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from lakes import assignments, count, run_row, tables
from postgres import database
from sortal.configs.commands.maintenance import MaintenanceConfig
from sortal.configs.errors import RunError, UsageError
from sortal.flows.operations.maintenance import maintain
from sortal.storage.lake.catalogue import CATALOGUE_VARIABLE, DATA_VARIABLE
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.owner import MARKER, read_marker
from sortal.storage.maintenance.backup import back_up
from sortal.storage.workspace import Workspace


class Place(NamedTuple):
    """A lake's catalogue, and the data folder that SORTAL_LAKE_DATA names for it."""

    workspace: Workspace
    catalogue: str | None = None

    def open(self, read_only: bool = False) -> Lake:
        return Lake(self.workspace, read_only, self.catalogue)


def fill(place: Place, number: int = 0) -> None:
    """Publish a run with rows enough for files of their own."""
    row = run_row(number)
    many = assignments(row, [str(path) for path in range(100)], [0] * 100)
    with place.open() as lake:
        lake.publish(row, tables(row) | {"assignments": many})


def parquet(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*.parquet")}


@pytest.fixture
def share(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "share"
    folder.mkdir()
    monkeypatch.setenv(DATA_VARIABLE, str(folder))
    return folder


@pytest.fixture
def first(server, tmp_path, share) -> Place:
    """A lake of one run whose files are in the share."""
    place = Place(Workspace(tmp_path / "first").create(), database(server))
    fill(place)
    return place


@pytest.fixture
def second(server, tmp_path) -> Place:
    """Another database, without a lake yet."""
    return Place(Workspace(tmp_path / "second").create(), database(server))


def refused(place: Place, *words: str) -> str:
    with pytest.raises(UsageError) as caught:
        place.open().close()
    line = str(caught.value)
    assert "\n" not in line and all(word in line for word in words), line
    return line


def test_maintaining_a_second_lake_with_the_firsts_folder_removes_nothing(
    first, second, share, tmp_path, monkeypatch
):
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv(DATA_VARIABLE, str(own))
    fill(second)
    before = parquet(share)
    monkeypatch.setenv(DATA_VARIABLE, str(share))
    monkeypatch.setenv(CATALOGUE_VARIABLE, second.catalogue)
    settings = MaintenanceConfig(workspace=second.workspace.root, grace_days=0)
    with pytest.raises(UsageError, match=f"{share} belongs to .*, not to") as caught:
        maintain(settings)
    names = [urlsplit(each.catalogue).path for each in (first, second)]
    assert all(f"{name}?" in str(caught.value) for name in names)
    assert before and parquet(share) == before
    monkeypatch.setenv(DATA_VARIABLE, str(own))
    maintain(settings)


def test_a_new_lake_in_anothers_folder_is_refused_and_not_made(
    first, second, share, tmp_path, monkeypatch
):
    refused(second, str(share), "holds no lake yet", DATA_VARIABLE)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "fresh"))
    (tmp_path / "fresh").mkdir()
    fill(second)
    monkeypatch.delenv(DATA_VARIABLE)
    with second.open() as lake, first.open() as other:
        assert count(lake, "runs") == count(other, "runs") == 1


def test_a_lake_of_before_is_marked_when_it_is_opened_even_to_be_read(first, share):
    whose = read_marker(share)
    for read_only in (True, False):
        (share / MARKER).unlink()
        with first.open(read_only):
            assert read_marker(share) == whose
    (share / MARKER).write_text('{"lake": "torn')
    with first.open():
        assert read_marker(share) == whose


def test_a_lake_of_before_takes_no_folder_without_its_files(
    first, second, share, tmp_path, monkeypatch
):
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv(DATA_VARIABLE, str(own))
    fill(second)
    for folder in (share, own):
        (folder / MARKER).unlink()
    refused(first, str(own), "does not know")
    assert not (own / MARKER).exists()
    shutil.rmtree(own / "main")
    (own / "main").mkdir()  # a folder that is not empty is no proof
    refused(first, str(own), "has none")


def test_a_folder_that_moved_or_was_copied_is_still_the_lakes(first, share, tmp_path, monkeypatch):
    copy = shutil.copytree(share, tmp_path / "copy")
    moved = share.rename(tmp_path / "moved")
    for folder in (copy, moved):
        monkeypatch.setenv(DATA_VARIABLE, str(folder))
        with first.open() as lake:
            assert count(lake, "assignments") == 100


def test_of_two_lakes_made_at_once_on_one_folder_one_gets_it(first, second, share, tmp_path):
    shutil.rmtree(share)
    share.mkdir()
    third = Place(Workspace(tmp_path / "third").create(), database(first.catalogue))
    start, made = threading.Barrier(2), []

    def make(place: Place) -> None:
        start.wait()
        try:
            fill(place)
            made.append(place)
        except UsageError:
            pass

    threads = [threading.Thread(target=make, args=(place,)) for place in (second, third)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (only,) = made
    with only.open() as lake:
        assert count(lake, "assignments") == 100
    refused(third if only is second else second, str(share))


def test_a_workspace_with_anothers_data_folder_is_refused_before_it_is_maintained(tmp_path):
    one, two = (Place(Workspace(tmp_path / name).create()) for name in ("one", "two"))
    for place in (one, two):
        fill(place)
    data = two.workspace.lake / "data"
    shutil.rmtree(data)
    data.symlink_to(one.workspace.lake / "data")
    before = parquet(one.workspace.lake / "data")
    with pytest.raises(UsageError, match="belongs to the workspace"):
        maintain(MaintenanceConfig(workspace=two.workspace.root, grace_days=0))
    assert parquet(one.workspace.lake / "data") == before
    data.unlink()
    with two.open() as lake:  # lost files are for `sortal verify` to say
        assert count(lake, "runs") == 1


def test_a_data_folder_that_cannot_be_read_is_one_line(tmp_path):
    place = Place(Workspace(tmp_path / "one").create())
    fill(place)
    data = place.workspace.lake / "data"
    shutil.rmtree(data)
    data.symlink_to(data)
    with pytest.raises(RunError, match=f"{data}/ must be readable|{data} must be readable"):
        place.open()


def test_a_copied_workspace_is_a_lake_and_a_back_up_takes_no_other_lakes_files(tmp_path):
    one, two = (Place(Workspace(tmp_path / name).create()) for name in ("one", "two"))
    for place in (one, two):
        fill(place)
    back_up(one.workspace, tmp_path / "copy")
    fill(one, 1)
    back_up(one.workspace, tmp_path / "copy")
    with pytest.raises(UsageError, match="a back-up belongs to one lake"):
        back_up(two.workspace, tmp_path / "copy")
    with Place(Workspace(tmp_path / "copy")).open() as lake:
        assert count(lake, "runs") == 2


def test_the_marker_names_the_catalogue_without_its_password(first, share):
    text = (share / MARKER).read_text()
    assert "s3cret" not in text and json.loads(text)["catalogue"].startswith("postgresql://")
