"""`sortal doctor`: checks the environment, and for each fault says how to fix it."""

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from sortal.configs import OBJECTS_VARIABLE
from sortal.configs.errors import RunError, UsageError
from sortal.flows.process.home import settle_home, why_unusable

Result = tuple[bool, str]  # whether it is as it should be, and what was found or how to fix it


class Check(NamedTuple):
    """A check that was done."""

    name: str
    good: bool
    text: str


_PACKAGES = (
    "prefect",
    "fastapi",
    "sqlalchemy",
    "torch",
    "torchvision",
    "open_clip_torch",
    "duckdb",
    "pyarrow",
)


def examine(workspace: Path) -> Iterator[Check]:
    """The checks, each as it is done."""
    yield Check("home", *_run(_home))
    with tempfile.TemporaryDirectory(prefix="sortal-home-") as folder:
        settle_home(Path(folder))  # what is checked next writes there, where it must
        for name, check in _checks(workspace):
            yield Check(name, *_run(check))


def _run(check: Callable[[], Result]) -> Result:
    try:
        return check()
    except Exception as error:
        return False, f"{type(error).__name__}: {' '.join(str(error).split())}"


def _checks(workspace: Path) -> list[tuple[str, Callable[[], Result]]]:
    return [
        ("python", _python),
        ("packages", _packages),
        ("torch and torchvision", _torch),
        ("encoder conse", _conse),
        ("lake", _lake),
        ("prefect server", _prefect),
        ("wordnet", _wordnet),
        ("workspace", lambda: _workspace(workspace)),
        *([("bucket", lambda: _bucket(workspace))] if os.environ.get(OBJECTS_VARIABLE) else []),
        ("prefect api", _server),
    ]


def _python() -> Result:
    return sys.version_info >= (3, 11), sys.version.split()[0] + " (3.11 or newer is needed)"


def _packages() -> Result:
    return True, ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)


def _torch() -> Result:
    try:
        import torch
        import torchvision  # noqa: F401 - importing it is the check
    except (ImportError, RuntimeError) as error:
        return False, f"{error}; install torch and torchvision from the same index, in one command"
    if torch.cuda.is_available():
        return True, f"GPU {torch.cuda.get_device_name(0)}"
    return True, f"CPU, {torch.get_num_threads()} threads"


def _conse() -> Result:
    from sortal.tasks.encoders.registry import describe

    try:
        return True, f"{describe('conse').dim} dimensions, works offline"
    except UsageError as error:
        return False, str(error)


def _lake() -> Result:
    from sortal.storage.lake.lake import Lake
    from sortal.storage.workspace import Workspace

    with tempfile.TemporaryDirectory() as folder, Lake(Workspace(Path(folder))) as lake:
        lake.query("SELECT count(*) FROM runs")
    return True, f"DuckLake works, SQLite {sqlite3.sqlite_version}"


def _prefect() -> Result:
    from fastapi import Body  # noqa: F401 - the pair of versions is what fails
    from prefect.server.api.server import create_app

    create_app()
    sqlalchemy = metadata.version("sqlalchemy")
    if not sqlalchemy.startswith("2.0."):
        need = f"schedules need sqlalchemy 2.0, got {sqlalchemy}"
        return False, f"{need}; pip install 'sqlalchemy<2.1'"
    return True, "starts with this fastapi, plans with this sqlalchemy"


def _wordnet() -> Result:
    from sortal.tasks.corpora.wordnet import find_nltk

    return True, f"NLTK's corpus at {found}" if (
        found := find_nltk()
    ) else "the embedded noun table"


def _workspace(workspace: Path) -> Result:
    from sortal.storage.workspace import Workspace

    there = Workspace(workspace).is_there()
    place = workspace if there else workspace.absolute().parent
    while not place.is_dir():  # a run makes them
        place = place.parent
    free = shutil.disk_usage(place).free / 2**30
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return False, f"{workspace} cannot be written: {error.strerror}; choose another by -w"
    return free > 1, f"{workspace}: writable, {free:.0f} GiB free (1 GiB is the least)"


def _bucket(workspace: Path) -> Result:
    from sortal.storage.mirror import Mirror
    from sortal.storage.workspace import Workspace

    try:
        if mirror := Mirror.of(Workspace(workspace)):
            mirror.bucket.require(write=True)
            return True, f"{mirror.bucket.url}: writable"
    except (RunError, UsageError) as error:
        return False, str(error)
    return True, "none"


def _home() -> Result:
    why = why_unusable()
    if why is None:
        return True, "Prefect's home can be written"
    return True, f"{why}; Prefect's home and caches go into the workspace, in home/"


def _server() -> Result:
    from sortal.flows.process.server import reach_server

    try:
        reach_server()
    except RunError as error:
        return False, str(error)
    return True, os.environ.get("PREFECT_API_URL") or "the one of the profile, or a temporary one"
