"""What all tests share: a workspace of their own, and the shared real data where it is there."""

import os
from pathlib import Path

import pytest

from storage.workspace import Workspace


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
