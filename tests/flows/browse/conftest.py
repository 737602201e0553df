"""A workspace to browse: pictures, two runs of one collection, everything real but the vectors."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from looked_run import publish, scene
from sortal.flows.browse.app import make_app
from sortal.flows.browse.base.library import Library
from sortal.flows.browse.safety import Guard
from sortal.storage.workspace import Workspace

HOSTS = frozenset({"127.0.0.1", "localhost"})


@pytest.fixture(scope="module")
def browsed(tmp_path_factory) -> Workspace:
    """Eight scenes in two kinds, then one more, a copy and a torn file."""
    root = tmp_path_factory.mktemp("browsed")
    folder = root / "pets & <b>co"
    folder.mkdir()
    for seed in range(8):
        scene(seed).save(folder / f"{seed} <i>.png")
    vectors = {f"{seed} <i>.png": seed for seed in range(8)}
    workspace = Workspace(root / "w").create()
    publish(workspace, folder, "run-1", vectors)
    scene(0).save(folder / "again.png")
    scene(8).save(folder / "new.png")
    (folder / "torn.png").write_bytes((folder / "1 <i>.png").read_bytes()[:400])
    publish(workspace, folder, "run-2", vectors | {"again.png": 0, "new.png": 8, "torn.png": 9})
    return workspace


@pytest.fixture(scope="module")
def client(browsed) -> Iterator[TestClient]:
    """A browser of this machine that may come in."""
    library = Library(browsed)
    with TestClient(make_app(library, Guard(HOSTS)), base_url="http://127.0.0.1:4280") as client:
        yield client
    library.close()
