"""A real Prefect server and process worker, once a session, running the wheel from nowhere."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from readme import service_lines
from service import ROOT, Service


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel unpacked, as `pip install` leaves it; built from the sdist."""
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True, timeout=300)
    (built,) = out.glob("*.whl")
    target = out / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", str(target), str(built)], check=True, timeout=300)
    return target


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Iterator[Service]:
    """The running server; start-up may take a minute on a busy machine."""
    running = Service(tmp_path_factory.mktemp("service"), wheel)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def deployed(service: Service) -> Service:
    """The server with a worker, and prefect.yaml registered, as docs/operations.md types it."""
    shutil.copy(ROOT / "prefect.yaml", service.folder)
    _, server, status, pool, deploy, worker, _ = service_lines()
    assert server == "prefect server start &"  # with a port of its own, that is running
    for line in (status, pool, deploy):
        service.type_in(line)
    assert worker == "prefect worker start --pool sortal &"
    service.start_worker("sortal")
    return service
