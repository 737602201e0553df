"""A finished run over three files of ready-made vectors, for tests of damage and of disks."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sortal.configs.encoder import EncoderConfig
from sortal.configs.schema import RunConfig
from sortal.flows.recluster import recluster


def write(folder: Path, name: str, key: str, n: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((n, 8)).astype(np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 8)
    names = [f"{name} {i}" for i in range(n)]
    pq.write_table(pa.table({key: names, "vector": column}), folder / f"{name}.parquet")


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> RunConfig:
    """Three files of ready-made vectors, so three shards of images, and a finished run."""
    root = tmp_path_factory.mktemp("verify")
    (root / "in").mkdir()
    for i in range(3):
        write(root / "in", f"images-{i}", "key", 20, i)
    write(root / "in", "nouns", "text", 15, 10)
    write(root / "in", "captions", "text", 15, 11)
    encoder = EncoderConfig(spec=f"vectors:{root / 'in'}")
    config = RunConfig(
        source=str(root / "in"),
        n_clusters=3,
        method="cae",
        encoder=encoder,
        workspace=root / "whole",
    )
    recluster.fn(config)
    return config
