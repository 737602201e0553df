"""A workspace whose artifacts and vectors are published in a bucket of a real S3 server."""

from pathlib import Path

import pytest

from s3_storage import Storage, s3, s3_server  # noqa: F401 - fixtures
from sortal.configs import OBJECTS_VARIABLE
from sortal.storage import artifacts
from sortal.storage.objects import failures
from sortal.storage.workspace import Workspace

URL = "s3://pictures/team"


@pytest.fixture(autouse=True)
def bucket(s3: Storage, monkeypatch) -> Storage:  # noqa: F811
    monkeypatch.setenv(OBJECTS_VARIABLE, URL)
    monkeypatch.setattr(failures, "PAUSE", 0.01)
    artifacts._kept.clear()
    return s3


@pytest.fixture
def first(tmp_path: Path, bucket: Storage) -> Workspace:
    return Workspace(tmp_path / "first").create()


@pytest.fixture
def second(tmp_path: Path, bucket: Storage) -> Workspace:
    """Another machine's: empty, with the same bucket."""
    return Workspace(tmp_path / "second").create()
