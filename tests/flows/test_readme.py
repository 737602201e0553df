"""README followed from top to bottom by a newcomer with photos, in an empty home."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from readme import blocks
from service import own_packages
from sortal.flows.cli.app import app
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace

pytestmark = pytest.mark.timeout(900)
ELSEWHERE = {  # lines that other tests type, or whose parts they run
    'uv tool install -c constraints.txt ".[demo]"': "the installation of this clone by make",
    "sortal doctor": "tests/flows/cli/test_cli.py",
    "sortal up ~/photos": "tests/flows/cli/test_up.py",
    "sortal benchmark demo --methods kmeans,cae --seeds 2": "tests/flows/benchmark",
}
LINES = [line for block in blocks("README.md") for line in block]


@pytest.fixture(scope="module")
def home(tmp_path_factory, photos: Path) -> Path:
    """A home with photos, packages like ours, and few of the demo's pictures drawn already."""
    home = own_packages(tmp_path_factory.mktemp("newcomer"))
    for place in (home / "photos", home / "sortal-workspace" / "collections" / "drawings"):
        for picture in sorted(photos.rglob("*.png"))[::4]:
            target = place / picture.relative_to(photos)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(picture, target)
    return home


def type_in(home: Path, line: str) -> subprocess.CompletedProcess[str]:
    without = ("PREFECT_", "SORTAL_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(without)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", line], cwd=home, env={**kept, "HOME": str(home), "PATH": path},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("sortal ")])
def test_a_line_of_the_readme_is_one_that_the_program_takes(line: str):
    _, name, *words = shlex.split(line)
    command = typer.main.get_command(app).commands[name]
    assert command.make_context(name, words).command.name == name


def test_every_line_of_the_readme_works_in_its_order(home: Path):
    assert set(ELSEWHERE) < set(LINES)
    said = {}
    for line in LINES:
        if line not in ELSEWHERE:
            done = type_in(home, line)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            assert "Traceback" not in done.stderr
            said[line] = done.stdout
    run_id = said["sortal cluster ~/photos"].split()[-1]
    assert run_id in said["sortal runs"] and run_id in said["sortal report"]
    with Lake(Workspace(home / "sortal-workspace"), read_only=True) as lake:
        assert lake.execute("SELECT count(*) FROM runs").fetchone() == (2,)
