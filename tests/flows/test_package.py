"""What is installed: one name, with all of its files, whatever lies in the working directory."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from service import ROOT, own_packages


def _run(folder: Path, wheel: Path, *arguments: str) -> str:
    """The output of Python in a project that has packages with the names of ours."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env={**os.environ, "PYTHONPATH": str(wheel)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_packages(tmp_path_factory.mktemp("project"))


def test_the_wheel_installs_one_name_with_all_that_it_reads(wheel: Path):
    names = {path.name for path in wheel.iterdir()} - {"bin"}
    assert {name for name in names if not name.endswith(".dist-info")} == {"sortal"}
    for part in ("configs", "flows", "storage", "tasks"):
        here = {path.relative_to(ROOT / part) for path in (ROOT / part).rglob("*")}
        here = {path for path in here if "__pycache__" not in path.parts}
        there = {
            path.relative_to(wheel / "sortal" / part)
            for path in (wheel / "sortal" / part).rglob("*")
        }
        assert here == {path for path in there if "__pycache__" not in path.parts}
    assert (wheel / "sortal/py.typed").exists()


def test_the_command_and_the_python_api_are_the_wheels(project: Path, wheel: Path):
    assert _run(project, wheel, "-m", "sortal", "--version").startswith("sortal ")
    code = (
        "import sortal, sortal.flows.recluster, sortal.storage.lake.lake\n"
        "print([getattr(sortal, name).__name__ for name in sortal.__all__])\n"
        "print(sortal.__file__, sortal.flows.recluster.__file__)\n"
    )
    names, places = _run(project, wheel, "-c", code).splitlines()
    assert names == "['Run', 'RunError', 'UsageError', 'Workspace', 'cluster', 'open']"
    assert all(place.startswith(f"{wheel}/sortal/") for place in places.split())


def test_an_editable_install_puts_one_name_on_the_path(tmp_path: Path):
    code = f"import hatchling.build as b; print(b.build_editable({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    (built,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(built) as files:
        (pth,) = [name for name in files.namelist() if ".dist-info/" not in name]
        (place,) = files.read(pth).decode().splitlines()
    assert pth.endswith(".pth") and Path(place) == ROOT / "src"
    importable = {path.name for path in Path(place).iterdir() if path.name.isidentifier()}
    assert importable - {"__pycache__"} == {"sortal"}
