"""A page as PDF, through the Chromium or Chrome of this machine."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from sortal.configs.errors import RunError
from sortal.storage.atomic import atomic_file

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
_SECONDS = 120


def browser() -> str | None:
    """The program that shows pages, if it is installed."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


def print_page(page: Path) -> Path:
    """Write the PDF of an HTML file beside it; returns its path.

    Raises RunError where no browser is installed, or it fails.
    """
    program = browser()
    if program is None:
        raise RunError(
            "--pdf needs Chromium or Chrome, and neither is installed; open the page in any "
            f"browser and print it: {page}"
        )
    target = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory() as name, atomic_file(target) as temporary:
        command = [
            program, *QUIET, f"--user-data-dir={name}", "--no-pdf-header-footer",
            f"--print-to-pdf={temporary}", page.resolve().as_uri(),
        ]  # fmt: skip
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            raise RunError(f"{program} could not print {page}: {error}") from error
        if not temporary.exists() or not temporary.stat().st_size:
            raise RunError(f"{program} printed nothing of {page}")
    return target
