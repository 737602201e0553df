"""Small collections of images, and scans of them, for the tests."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image

from sortal.configs.schema import ImagesConfig
from sortal.storage.artifacts import Artifact
from sortal.storage.workspace import Workspace
from sortal.tasks.scan.step import IMAGES, scan

CONFIG = ImagesConfig(num_workers=0)


def write(path: Path, seed: int = 0, size: tuple[int, int] = (12, 10), **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3))
    Image.fromarray(values.astype(np.uint8)).save(path, **options)
    return path


def run(workspace: Workspace, source: Path, config: ImagesConfig = CONFIG) -> Artifact:
    return scan(workspace, source=str(source), config=config)


def rows(workspace: Workspace, artifact: Artifact) -> dict[str, dict[str, Any]]:
    table = pq.read_table(artifact.file(workspace, "images.parquet"))
    assert table.schema == IMAGES
    return {row["path"]: row for row in table.to_pylist()}


def codes(workspace: Workspace, artifact: Artifact) -> dict[str, str | None]:
    return {path: row["error_code"] for path, row in rows(workspace, artifact).items()}


def to_tensor(image: Image.Image) -> torch.Tensor:
    """A transform that workers can unpickle."""
    return torch.from_numpy(np.array(image.resize((4, 4)))).permute(2, 0, 1)
