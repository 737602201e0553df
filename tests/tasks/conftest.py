from pathlib import Path

import pytest
from image_files import write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(6):
        write(tmp_path / "in" / ("cat", "dog")[i % 2] / f"{i}.png", seed=i)
    (tmp_path / "in" / "README.txt").write_text("no image")
    (tmp_path / "in" / ".hidden.png").write_text("no image")
    return tmp_path / "in"
