"""Writes docs/images/report.webp: the newest report of a workspace, as Chromium shows it.

Run it after `make demo`: python docs/draw_report.py demo/workspace
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from sortal.flows.operations.pdf import QUIET, browser

PICTURE = Path(__file__).parent / "images" / "report.webp"
WIDTH, HEIGHT = 1200, 1560  # of the page, in its pixels


def newest(workspace: Path) -> Path:
    """The report that was written last; raises SystemExit where there is none."""
    pages = sorted((workspace / "reports").glob("*.html"), key=lambda page: page.stat().st_mtime)
    return pages[-1] if pages else sys.exit(f"no report in {workspace}; run make demo")


def draw(page: Path, picture: Path, program: str) -> None:
    """Write the top of a page as a picture, in the format that its name says."""
    with tempfile.TemporaryDirectory() as name:
        shot = Path(name) / "shot.png"
        subprocess.run(
            [program, *QUIET, "--hide-scrollbars",
             f"--user-data-dir={name}/profile", f"--window-size={WIDTH},{HEIGHT}",
             f"--screenshot={shot}", page.resolve().as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        with Image.open(shot) as image:
            image.convert("RGB").save(picture, quality=70, method=6)


if __name__ == "__main__":
    if not (found := browser()):
        sys.exit("Chromium must be installed: apt-get install chromium")
    draw(newest(Path(sys.argv[1])), PICTURE, found)
    print(PICTURE)
