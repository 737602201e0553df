"""Writing a modality: one vector an image, row for row like the image vectors."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sortal.configs.errors import UsageError, expanded
from sortal.storage.artifacts import Written
from sortal.storage.hashing import hash_strings
from sortal.storage.rows import ArrayRows, FloatArray
from sortal.storage.vector_sets import FileVectors, write_shards
from sortal.storage.vectors import ROW_GROUP, VectorStore, vectors_of
from sortal.tasks.arrays import mean_of, normalise
from sortal.tasks.captioning.caption import TEXTS_FILE
from sortal.tasks.encoders import vectors

PRESENT = "present.parquet"

Pieces = Iterable[tuple[NDArray[np.int64], FloatArray]]


def write_texts(folder: Path, texts: dict[str, str | None]) -> Written:
    """Write `texts.parquet` (key, text), one row an image, the text null where it has none."""
    keys, values = list(texts), list(texts.values())
    table = pa.table({"key": pa.array(keys, pa.string()), "text": pa.array(values, pa.string())})
    pq.write_table(table, folder / TEXTS_FILE, compression="zstd")
    identity = hash_strings(f"{key} {text or ''}" for key, text in texts.items())
    n_texts = len(texts) - table["text"].null_count
    return Written(rows=len(texts), identity=identity, facts={"n_texts": n_texts})


def rows_of_store(store: VectorStore, wanted: list[str | None]) -> Iterator[Any]:
    """(row numbers, unit vectors) of the rows whose text is in `store`, shard by shard."""
    rows_of: dict[str, list[int]] = {}
    for row, key in enumerate(wanted):
        if key is not None:
            rows_of.setdefault(key, []).append(row)
    for shard in store.shards():
        for batch in pq.ParquetFile(shard, pre_buffer=False).iter_batches(ROW_GROUP):
            keys = batch.column("key").to_pylist()
            rows = [rows_of.pop(key, []) for key in keys]
            numbers = np.array([row for each in rows for row in each], dtype=np.int64)
            if len(numbers):
                repeats = [len(each) for each in rows]
                yield numbers, normalise(np.repeat(vectors_of(batch), repeats, axis=0))


def modality_files(source: str) -> list[Path]:
    """The Parquet files of a modality's source; raises UsageError where there is none."""
    path = expanded(source)
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise UsageError(
            f"a modality's source must be a Parquet file or a folder of them, got {source!r}; "
            "nothing of the kind is there"
        )
    return files


def rows_of_files(
    files: list[Path], row_of: dict[str, int], paths: dict[str, int]
) -> Iterator[Any]:
    """(row numbers, unit vectors) of the files' rows that belong to an image."""
    dim = vectors.length_of(files)
    for path in files:
        name = vectors.key_column(path)
        left = dict(row_of if name == "key" else paths)
        for keys, block in vectors.file_blocks(path, name, dim):
            found = [(left.pop(key), row) for row, key in enumerate(keys) if key in left]
            if found:
                numbers, rows = zip(*found, strict=True)
                yield np.array(numbers), block[list(rows)]


def write_modality(folder: Path, name: str, keys: list[str], pieces: Pieces) -> Written:
    """Write a modality of the images `keys` from pieces (row numbers, unit vectors), in any order.

    `vectors-00000.parquet`, ... (key, vector), row for row with the image vectors, a zero vector
    where it is missing; `present.parquet` (key, present); `mean.npy`, over those present. Raises
    UsageError when none is.
    """
    present = np.zeros(len(keys), dtype=bool)
    with tempfile.TemporaryFile(dir=folder) as scratch:
        matrix: NDArray[np.float16] | None = None
        for numbers, block in pieces:
            if matrix is None:
                shape = (len(keys), block.shape[1])
                scratch.truncate(2 * shape[0] * shape[1])
                matrix = np.memmap(scratch, np.float16, "r+", shape=shape)
            rows, first = np.unique(numbers, return_index=True)
            fresh = ~present[rows]
            matrix[rows[fresh]] = block[first[fresh]]
            present[numbers] = True
        if matrix is None:
            raise UsageError(
                f"modality {name} must be there for an image, got none of {len(keys):,}; its key "
                "must be the image's key or its file_name"
            )
        write_shards(folder, keys, ArrayRows(matrix).blocks(ROW_GROUP))
    table = pa.table({"key": pa.array(keys, pa.string()), "present": present})
    pq.write_table(table, folder / PRESENT, compression="zstd")
    count = int(present.sum())
    written = FileVectors.in_folder(folder)
    np.save(folder / "mean.npy", mean_of(written) * np.float32(len(keys) / count))
    facts = {"dim": written.shape[1], "n_present": count, "n_missing": len(keys) - count}
    return Written(rows=len(keys), facts={name: facts})
