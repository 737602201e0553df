from pathlib import Path

import pytest

from archives import Members


@pytest.fixture
def members(folder: Path) -> Members:
    """Six pictures by their base names."""
    return [(path.name, path.read_bytes()) for path in sorted(folder.glob("*/*.png"))]
