"""A disk that is full or may not be written, and a collection that is taken."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crash import final_tables
from lakes import metrics, run_row
from sortal.configs.errors import RunError
from sortal.flows.recluster import recluster
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.lease import hold
from sortal.storage.workspace import Workspace

ROOM = "16m"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little room."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting a small tmpfs needs root and `mount`")
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def fill(folder: Path) -> Path:
    """A file that takes what room is left."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    return ballast


def test_a_full_disk_stops_a_run_in_one_line_and_earlier_results_stay(config, small):  # noqa: F811
    shutil.copytree(config.workspace, small / "workspace")
    place = Workspace(small / "workspace")
    expected = final_tables(place)
    ballast = fill(small)
    other = config.model_copy(update={"workspace": place.root, "n_clusters": 4})
    with pytest.raises(RunError, match="(?i)(disk|no space|full)") as got:
        recluster.fn(other)
    assert "\n" not in str(got.value)
    assert final_tables(place) == expected
    ballast.unlink()
    assert recluster.fn(other).n_images == 60


def test_a_workspace_that_may_only_be_read_stops_a_run_in_one_line(config, small):  # noqa: F811
    shutil.copytree(config.workspace, small / "workspace")
    place = Workspace(small / "workspace")
    expected = final_tables(place)
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    with pytest.raises(RunError, match="(?i)(read-?only|must be writable)") as got:
        recluster.fn(config.model_copy(update={"workspace": place.root, "n_clusters": 4}))
    assert "\n" not in str(got.value)
    assert final_tables(place) == expected


def test_a_run_of_a_collection_that_another_run_holds_stops_at_once(config):  # noqa: F811
    taken = hold(Workspace(config.workspace), config.collection_name, name="run one")
    with taken, pytest.raises(RunError, match="is being sorted by run one"):
        recluster.fn(config)
    assert recluster.fn(config).n_images == 60


def test_a_lake_of_an_earlier_version_on_a_disk_that_may_only_be_read_is_read_as_it_is(small):
    place = Workspace(small / "workspace").create()
    with Lake(place) as lake:
        lake.publish(run_row(), {"metrics": metrics(run_row(), **{"transport.n_iter": 9.0})})
        lake.execute("UPDATE meta SET value = 'of an earlier version' WHERE name = 'schema'")
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    with Lake(place, read_only=True) as lake:
        assert lake.execute("SELECT name FROM metrics").fetchall() == [("transport.n_iter",)]
        assert ("of an earlier version",) in lake.execute("SELECT value FROM meta").fetchall()


def test_a_file_in_the_place_of_a_folder_of_the_workspace_is_one_line(config, tmp_path):  # noqa: F811
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "artifacts").touch()
    with pytest.raises(RunError, match="must be writable.*Not a directory.*artifacts") as got:
        recluster.fn(config.model_copy(update={"workspace": tmp_path / "workspace"}))
    assert "\n" not in str(got.value)


@pytest.mark.parametrize("place", ["begin", "middle"])
def test_a_damaged_catalogue_is_one_line_with_a_way_out(tmp_path, place):
    workspace = Workspace(tmp_path / "workspace").create()
    with Lake(workspace) as lake:
        lake.publish(run_row(), {"metrics": metrics(run_row(), **{"transport.n_iter": 9.0})})
    catalogue = workspace.root / "lake" / "catalog.sqlite"
    held = bytearray(catalogue.read_bytes())
    start = 0 if place == "begin" else 4096
    held[start : start + 8192] = os.urandom(8192)
    catalogue.write_bytes(held)
    with pytest.raises(RunError, match="catalogue is damaged.*back-up.*lake away") as got:  # noqa: SIM117
        with Lake(workspace, read_only=True) as lake:
            lake.execute("FROM runs").fetchall()
    assert "\n" not in str(got.value)


def test_a_catalogue_without_room_says_so(small):
    place = Workspace(small / "workspace").create()
    with Lake(place) as lake:
        lake.publish(run_row(), {"metrics": metrics(run_row(), **{"transport.n_iter": 9.0})})
    fill(small)
    with pytest.raises(RunError, match="must be on a disk that has room"), Lake(place) as lake:
        for number in range(200):
            row = {**run_row(), "run_id": f"run-{number}", "fingerprint": f"f{number}"}
            lake.publish(row, {"metrics": metrics(row, **{"transport.n_iter": 9.0})})


@pytest.mark.parametrize("state", ["full", "read-only"])
def test_every_command_that_writes_is_one_line_where_it_cannot(config, small, tmp_path, state):  # noqa: F811
    shutil.copytree(config.workspace, small / "workspace")
    if state == "full":
        fill(small)
    else:
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    there, here = ["-w", str(small / "workspace")], ["-w", str(config.workspace)]
    for command in (
        ["report", *there],
        ["maintain", *there],
        ["assign", config.source, *there],
        ["backup", str(small / "copy"), *here],
        ["export", "--to", str(small / "out.csv"), "--as", "csv", *here],
        ["sql", "FROM assignments", "--format", "csv", "-o", str(small / "rows.csv"), *here],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "sortal", *command], capture_output=True, text=True, check=False
        )
        assert done.returncode in (1, 2), command
        lines = [line for line in done.stderr.splitlines() if line.startswith("sortal: ")]
        assert len(lines) == 1 and "Traceback" not in done.stderr, done.stderr
        said = lines[0].lower()
        words = ("no space left", "full", "read-only", "must be on a disk that has room")
        assert any(word in said for word in words), said
