"""What the step `head` writes: file names and tables, known without importing torch."""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray

WEIGHTS = "head.safetensors"  # of the networks, and `order`, the output behind each cluster
HISTORY = "history.parquet"
PER_IMAGE = "per_image.parquet"  # what a method says of each image beyond its cluster

_BLOCKS = 8  # of probabilities a file

Labels = NDArray[np.int32]
History = list[tuple[int, str, float]]


class HeadClusters(NamedTuple):
    """Clusters of a trained head, by decreasing size.

    `order` (n_clusters,): the head's output behind each cluster. `labels`, `probabilities`,
    `distances` (n,); `centres` (n_clusters, dim), unit.
    """

    order: NDArray[np.int64]
    labels: Labels
    probabilities: FloatArray
    distances: FloatArray
    centres: FloatArray


def history_table(history: History) -> pa.Table:
    """Arrow table with epoch (int32, from 0), name and value (float64)."""
    epochs, names, values = zip(*history, strict=True)
    return pa.table(
        {
            "epoch": pa.array(epochs, pa.int32()),
            "name": pa.array(names, pa.string()),
            "value": pa.array(values, pa.float64()),
        }
    )


def last_figures(history: History) -> dict[str, float]:
    """The last epoch's figures, and how many epochs there were."""
    last = history[-1][0]
    return {"epochs": last + 1, **{name: value for epoch, name, value in history if epoch == last}}


def write_probabilities(folder: Path, keys: list[str], blocks: Iterator[FloatArray]) -> None:
    """Write `probabilities-00000.parquet`, ...: key and probabilities by cluster, float32.

    `blocks` (b, n_clusters) are those of consecutive images.
    """
    tables = _probability_tables(keys, blocks)
    for number, first in enumerate(tables):
        path = folder / f"probabilities-{number:05d}.parquet"
        with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
            for table in chain([first], islice(tables, _BLOCKS - 1)):
                writer.write_table(table)


def _probability_tables(keys: list[str], blocks: Iterator[FloatArray]) -> Iterator[pa.Table]:
    start = 0
    for block in blocks:
        flat = pa.array(np.ascontiguousarray(block).reshape(-1), pa.float32())
        column = pa.FixedSizeListArray.from_arrays(flat, block.shape[1])
        part = pa.array(keys[start : start + len(block)], pa.string())
        yield pa.table({"key": part, "probabilities": column})
        start += len(block)
