"""Workspaces for tests of the lake."""

from pathlib import Path

import pytest

from lakes import run_row, tables
from postgres import server  # noqa: F401 - a fixture
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace
from vector_runs import config  # noqa: F401 - a fixture


@pytest.fixture
def quoted(tmp_path: Path) -> Workspace:
    """A workspace whose path must be quoted in SQL."""
    return Workspace(tmp_path / "it's a workspace").create()


@pytest.fixture
def filled(quoted: Workspace) -> Workspace:
    """A workspace with two seeds of a method and a later run that saw labels."""
    with Lake(quoted) as lake:
        for number, acc in enumerate((0.5, 0.75)):
            lake.publish(run_row(number), tables(run_row(number), acc))
        row = run_row(9, method="supervised", labels_used=True)
        lake.publish(row, tables(row, 1.0))
    return quoted
