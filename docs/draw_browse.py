"""Writes docs/images/browse-*.webp: pages of `sortal browse`, as Chromium shows them.

Run it after `make demo`: python docs/draw_browse.py demo/workspace
"""

import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from sortal.configs.looks import LOOKS
from sortal.flows.operations.looks import ensure
from sortal.flows.operations.pdf import browser
from sortal.storage.workspace import Workspace

IMAGES = Path(__file__).parent / "images"
WIDTH = 1200  # pixels
PAGES = {  # picture -> address and height
    "browse-kinds": ("/run/latest", 1100),
    "browse-map": ("/run/latest/map", 1100),
    "browse-clean": ("/run/latest/clean", 800),
}


@contextmanager
def served(workspace: Path) -> Iterator[str]:
    """The address of a server over a workspace, for as long as the block lasts."""
    command = [sys.executable, "-m", "sortal", "browse", "--no-open", "--workspace", str(workspace)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout
            yield running.stdout.readline().strip().rstrip("/")
        finally:
            running.terminate()


def draw(address: str, picture: Path, height: int, program: str) -> None:
    """Write the top of a page as a picture, in the format that its name says."""
    urllib.request.urlopen(address, timeout=60).close()  # the first look takes longest
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        shot = Path(name) / "shot.png"
        subprocess.run(
            [program, "--headless", "--no-sandbox", "--hide-scrollbars", "--no-first-run",
             "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
             "--disable-background-networking", "--disable-component-update",
             "--virtual-time-budget=20000", f"--user-data-dir={name}/profile",
             f"--window-size={WIDTH},{height}", f"--screenshot={shot}", address],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        with Image.open(shot) as image:
            image.convert("RGB").save(picture, quality=70, method=6)


if __name__ == "__main__":
    if not (found := browser()):
        sys.exit("Chromium must be installed: apt-get install chromium")
    ensure(Workspace(Path(sys.argv[1])), LOOKS)
    with served(Path(sys.argv[1])) as site:
        for picture, (page, high) in PAGES.items():
            draw(f"{site}{page}", IMAGES / f"{picture}.webp", high, found)
            print(IMAGES / f"{picture}.webp")
