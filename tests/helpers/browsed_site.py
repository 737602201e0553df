"""`sortal browse` as a process of its own, over a small real run of drawn pictures."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from drawn import KINDS, draw
from sortal.configs.load import make_config
from sortal.configs.looks import LOOKS
from sortal.flows.operations.looks import ensure
from sortal.flows.recluster import recluster
from sortal.storage.workspace import Workspace


def make_runs(root: Path) -> Workspace:
    """Two runs of drawn pictures with labels: some are copies, dark, torn or mislabelled.

    The second has newcomers. Everything that pages look at is made.
    """
    folder = root / "shapes & <b>colours"
    for number in (12, 15):
        for path in draw(root / "drawn", number - 12, number):
            label = path.name.partition("-")[0]
            (folder / label).mkdir(parents=True, exist_ok=True)
            path.rename(folder / label / path.name)
        if number == 12:
            _spoil(folder)
        recluster.fn(make_config({"source": str(folder), "n_clusters": 3, "report": False,
                                  "workspace": root / "workspace"}))  # fmt: skip
    workspace = Workspace(root / "workspace")
    ensure(workspace, LOOKS)
    return workspace


def _spoil(folder: Path) -> None:
    first, second, third = (folder / kind / f"{kind}-00.png" for kind in KINDS)
    (folder / KINDS[0] / "again.png").write_bytes(first.read_bytes())
    with Image.open(second) as image:
        image.resize((96, 96)).save(folder / KINDS[1] / "large.png")
        image.point(lambda value: value // 8).save(folder / KINDS[1] / "night.png")
    third.rename(folder / KINDS[0] / "wrong.png")
    (folder / KINDS[2] / "torn.png").write_text("no picture")


@contextmanager
def served(workspace: Workspace) -> Iterator[str]:
    """The address of a server over a workspace, which ends with the block."""
    command = [sys.executable, "-m", "sortal", "browse", "--no-open"]
    with subprocess.Popen(
        [*command, "--workspace", str(workspace.root)], stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            yield running.stdout.readline().strip().rstrip("/")
        finally:
            running.terminate()
            running.wait(30)
