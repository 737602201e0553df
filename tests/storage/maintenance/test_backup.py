"""Back-up and restore on a SQLite catalogue: a copy made while runs go on is a whole workspace."""

import multiprocessing
import shutil
from pathlib import Path

import pytest

from lakes import assignments, count, run_row, tables
from sortal.configs.errors import UsageError
from sortal.storage.artifacts import Written, find, publish
from sortal.storage.lake.lake import Lake
from sortal.storage.maintenance.backup import back_up
from sortal.storage.workspace import Workspace


def put(lake: Lake, number: int) -> None:
    row = run_row(number, scan=f"scan-{number}")
    paths = [str(path) for path in range(100)]
    lake.publish(row, tables(row) | {"assignments": assignments(row, paths, [0] * 100)})


def fill(root: Path, runs: int) -> None:
    with Lake(Workspace(root)) as lake:
        for number in range(runs):
            put(lake, number)


def test_a_copy_is_the_workspace_again_when_the_first_is_gone(quoted, tmp_path):
    fill(quoted.root, 2)
    publish(quoted, "fused", "a", lambda folder: Written(rows=(folder / "x").write_text("x")))
    back_up(quoted, tmp_path / "copy")
    with Lake(quoted, read_only=True) as lake:
        before = lake.query("FROM latest_assignments ORDER BY path").to_pylist()
    shutil.rmtree(quoted.root)

    copy = Workspace(tmp_path / "copy")
    assert find(copy, "fused", "a")
    with Lake(copy) as lake:
        assert lake.query("FROM latest_assignments ORDER BY path").to_pylist() == before
        put(lake, 2)
        assert count(lake, "runs") == 3


def test_only_what_is_new_is_copied_again(quoted, tmp_path):
    fill(quoted.root, 2)
    first, _ = back_up(quoted, tmp_path / "copy")
    again, _ = back_up(quoted, tmp_path / "copy")
    assert first > again == 1  # the catalogue
    with Lake(quoted) as lake:
        put(lake, 5)
    more, _ = back_up(quoted, tmp_path / "copy")
    assert 1 < more < first


def test_a_copy_made_while_runs_are_published_holds_whole_runs(quoted, tmp_path):
    fill(quoted.root, 1)
    writer = multiprocessing.get_context("spawn").Process(target=fill, args=(quoted.root, 25))
    writer.start()
    looks = 0
    while writer.is_alive() or not looks:
        looks += 1
        back_up(quoted, tmp_path / "copy")
        with Lake(Workspace(tmp_path / "copy"), read_only=True) as lake:
            rows = lake.query("SELECT count(key) AS n FROM assignments")["n"][0].as_py()
            assert rows == 100 * count(lake, "runs") >= 100
    writer.join()
    assert writer.exitcode == 0


@pytest.mark.parametrize("place", ["", "inside", ".."])
def test_a_copy_lies_outside(quoted, place):
    fill(quoted.root, 1)
    with pytest.raises(UsageError, match="outside"):
        back_up(quoted, quoted.root / place)
