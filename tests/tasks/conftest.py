from pathlib import Path

import pytest

from image_files import write
from sortal.configs.encoder import EncoderConfig


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(6):
        write(tmp_path / "in" / ("cat", "dog")[i % 2] / f"{i}.png", seed=i)
    (tmp_path / "in" / "README.txt").write_text("no image")
    (tmp_path / "in" / ".hidden.png").write_text("no image")
    return tmp_path / "in"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> EncoderConfig:
    """An encoder of random weights, with shards of six vectors."""
    from tiny_clip import tiny  # takes seconds to import, and few tests want it

    spec = tiny(tmp_path_factory.mktemp("clip") / "tiny")
    return EncoderConfig(spec=spec, device="cpu", batch_size=4, shard_size=6, num_workers=0)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of 14 images."""
    for i in range(14):
        write(tmp_path / "in" / f"{i:02}.png", seed=i)
    return tmp_path / "in"
