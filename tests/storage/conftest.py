"""Workspaces for tests of the lake."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import postgres
from lakes import run_row, tables
from sortal.configs.encoder import EncoderConfig
from sortal.configs.schema import RunConfig
from sortal.flows.recluster import recluster
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace


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


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A URL of a server that listens only on a socket in a temporary folder."""
    with postgres.running() as url:
        yield url


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
        source=str(root / "in"), n_clusters=3, encoder=encoder, workspace=root / "whole"
    )
    recluster.fn(config)
    return config
