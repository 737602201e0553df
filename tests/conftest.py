"""What all tests share: a workspace of their own, and the shared real data where it is there."""

import atexit
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

from sortal.storage.workspace import Workspace
from sortal.tasks.datasets.openmoji import build

# What starts the tests (nohup, a job in the background) may have had these ignored, and every
# process that a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

_MOST_PIXELS = 89_478_485  # Pillow's own limit

# Tests run in several processes, and Prefect's temporary servers would share one database.
_HOME = tempfile.mkdtemp(prefix="sortal-prefect-")
os.environ["PREFECT_HOME"] = _HOME
os.environ["SORTAL_TELL_AFTER"] = "86400"  # what commands say must not depend on how busy it is
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)


class OneServer(LoadFileScheduling):
    """A file's tests go to one process, and those of all files with Prefect's service to another.

    It takes a minute to start, and is better off with one run at a time.
    """

    _files = ("automations", "deployment", "log_lines", "prefect_runs", "in_a_flow")

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "service" if Path(file).stem.removeprefix("test_") in self._files else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling:
    return OneServer(config, log)


@pytest.fixture(autouse=True)
def pillow_is_as_it_was() -> Iterator[None]:
    """The limit of pixels that a test's images were opened with is Pillow's own again."""
    yield
    if pillow := sys.modules.get("PIL.Image"):
        pillow.MAX_IMAGE_PIXELS = _MOST_PIXELS


@pytest.fixture(autouse=True)
def our_log() -> None:
    """Our logger as it is at first, whatever the commands of earlier tests have made of it.

    One that does not hand on its lines has pytest's handlers itself, in a test that has it do so
    each line would then be there twice.
    """
    logger = logging.getLogger("sortal")
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace").create()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real test data: SORTAL_SHARED, or ../shared beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("SORTAL_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no shared test data at {folder}; set SORTAL_SHARED")
    return folder


@pytest.fixture(scope="session")
def clip(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real ViT-B/32 vectors of 500 CIFAR-10 images, with nouns and captions, for `vectors:`."""
    folder = tmp_path_factory.mktemp("clip-vectors")
    for name in ("cifar10_500_images.parquet", "nouns.parquet", "captions.parquet"):
        shutil.copy(shared / "clip" / name, folder)
    return folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """about 150 real pictures of 4 kinds in class folders, from the package index (OpenMoji)."""
    whole = build(tmp_path_factory.mktemp("openmoji") / "all")
    folder = tmp_path_factory.mktemp("photos") / "pictures"
    for kind in ("buildings", "clocks", "clothing", "road vehicles"):
        for picture in sorted((whole / kind).iterdir())[:40]:
            target = folder / kind / picture.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(picture, target)
    return folder
