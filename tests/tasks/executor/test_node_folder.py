"""Where a worker works: in the run's workspace, or in a folder of its node that a bucket fills."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from sortal.configs.errors import RunError
from sortal.tasks.executor.node_folder import Home, root_of

URL = "s3://pictures/team"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Of a workspace that this node does not see."""
    return Home(tmp_path / "away" / "token", URL, str(tmp_path / "node"))


def test_a_node_that_sees_the_workspace_works_there(home):
    home.token.parent.mkdir()
    home.token.touch()
    assert root_of(home) == home.token.parent


def test_another_has_a_folder_of_its_own_for_each_bucket(home, monkeypatch, tmp_path):
    own = root_of(home)
    assert own == root_of(home) and own.parent == tmp_path / "node"
    assert own != root_of(home._replace(objects="s3://pictures/others"))
    assert stat.S_IMODE(own.stat().st_mode) == 0o700
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))
    assert root_of(home._replace(folder="$SCRATCH")).parent == tmp_path / "scratch"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    usual = root_of(home._replace(folder=None)).parent
    assert usual.parent == tmp_path / "temporary" and stat.S_IMODE(usual.stat().st_mode) == 0o700


def test_without_a_bucket_it_must_see_the_workspace(home):
    with pytest.raises(RunError, match="a worker must see the workspace"):
        root_of(home._replace(objects=None))


def test_a_place_where_no_folder_can_be_is_one_line(home, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="Not a directory.*ray.folder"):
        root_of(home._replace(folder=str(tmp_path / "file")))


def test_vectors_that_came_long_ago_go(home):
    folder = root_of(home) / "vectors" / "e" / "images"
    folder.mkdir(parents=True)
    for name, days in (("old", 8), ("new", 6)):
        (folder / f"{name}.parquet").touch()
        then = (folder / f"{name}.parquet").stat().st_mtime - days * 86_400
        os.utime(folder / f"{name}.parquet", (then, then))
    root_of(home)
    assert [path.stem for path in folder.iterdir()] == ["new"]


def test_a_path_of_the_workspace_arrives_as_that_of_the_workspace_there():
    pytest.importorskip("ray")
    from sortal.tasks.executor.travel import pack, unpack

    sent = {"inside": Path("/a/b/c"), "root": Path("/a"), "outside": Path("/ab/c")}
    sent |= {"numbers": np.arange(5), "work": lambda x: x + 1}
    packed = pack(sent, Path("/a"))
    assert len(packed.buffers) == 1  # an array is beside it
    found = unpack(packed, Path("/n"))
    assert found["work"](1) == 2 and (found["numbers"] == sent["numbers"]).all()
    paths = [found[name] for name in ("inside", "root", "outside")]
    assert paths == [Path("/n/b/c"), Path("/n"), Path("/ab/c")]
