"""Sets of vectors read by blocks: an index over shards of a store, or the files of one artifact."""

import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.storage.artifacts import Artifact
from sortal.storage.hashing import hash_strings
from sortal.storage.rows import FloatArray
from sortal.storage.vectors import ROW_GROUP, VectorStore, vector_table, vectors_of
from sortal.storage.workspace import Workspace

INDEX = "index.parquet"


def write_shards(
    folder: Path, keys: Sequence[str], blocks: Iterable[FloatArray], shard_blocks: int = 16
) -> None:
    """Write blocks as `vectors-00000.parquet`, ... in order, each of `shard_blocks` row groups.

    Blocks of `ROW_GROUP` rows thus make shards of 65,536 rows.
    """
    pending, done = iter(blocks), 0
    for number in itertools.count():
        first = next(pending, None)
        if first is None:
            return
        some = itertools.chain([first], itertools.islice(pending, shard_blocks - 1))
        done += write_shard(folder, number, keys[done:], some)


def shard_name(number: int) -> str:
    """The name of a file of vectors in an artifact."""
    return f"vectors-{number:05d}.parquet"


def write_shard(
    folder: Path, number: int, keys: Sequence[str], blocks: Iterable[FloatArray]
) -> int:
    """Write blocks as shard `number`, a row group each, with the first of `keys`; how many rows."""
    pending = iter(blocks)
    first, done = next(pending), 0
    path = folder / shard_name(number)
    schema = vector_table([], first[:0]).schema
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for block in itertools.chain([first], pending):
            writer.write_table(vector_table(keys[done : done + len(block)], block))
            done += len(block)
    return done


def write_index(folder: Path, store: VectorStore, keys: Sequence[str]) -> tuple[list[Path], str]:
    """Write `index.parquet`, the rows of `store` that make up one set of vectors.

    Returns the shards in use and the hash of the keys in row order. The order is that of the
    shards, so one pass reads every shard once, whatever the order of `keys`.
    """
    wanted, places = set(keys), store.located()
    rows = [(key, *places[key]) for key in places if key in wanted]
    return write_rows(folder, rows), hash_strings(key for key, _, _ in rows)


def write_rows(folder: Path, rows: Sequence[tuple[str, Path, int]]) -> list[Path]:
    """Write `index.parquet` of rows (key, shard, row in the shard); returns the shards in use."""
    shards = list(dict.fromkeys(shard for _, shard, _ in rows))
    number = {shard: i for i, shard in enumerate(shards)}
    table = pa.table(
        {
            "key": pa.array([key for key, _, _ in rows], pa.string()),
            "shard": pa.array([number[shard] for _, shard, _ in rows], pa.int32()),
            "row": pa.array([row for _, _, row in rows], pa.int32()),
        }
    )
    names = json.dumps([path.as_posix() for path in shards])
    pq.write_table(table.replace_schema_metadata({"shards": names}), folder / INDEX)
    return shards


class VectorSet:
    """A set of vectors, read by blocks (satisfies `Rows`): an index over shards.

    Pickled, it is no more than where the index is.
    """

    def __init__(self, folder: Path, store: VectorStore) -> None:
        self._origin = folder, store
        table = pq.read_table(folder / INDEX)
        names = json.loads(table.schema.metadata[b"shards"])
        self._shards = [store.folder / Path(name).name for name in names]
        self._within = 0, table.num_rows
        self._keys = table.column("key")
        self._shard = table.column("shard").to_numpy()
        self._row = table.column("row").to_numpy()

    @cached_property
    def keys(self) -> list[str]:
        """The key of every row, in order."""
        found: list[str] = self._keys.to_pylist()
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (*self._origin, *self._within)

    def between(self, start: int, stop: int) -> "VectorSet":
        """The rows `start` to `stop`; the index is not read again."""
        part = VectorSet.__new__(VectorSet)
        part._origin, part._shards = self._origin, self._shards
        part._within = self._within[0] + start, self._within[0] + stop
        part._keys = self._keys.slice(start, stop - start)
        part._shard, part._row = self._shard[start:stop], self._row[start:stop]
        return part

    def places(self) -> list[tuple[str, Path, int]]:
        """(key, shard, row in the shard) of every row, in order."""
        numbers, rows = self._shard.tolist(), self._row.tolist()
        shards = [self._shards[number] for number in numbers]
        return list(zip(self.keys, shards, rows, strict=True))

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, dim)."""
        dim = pq.read_schema(self._shards[0]).field("vector").type.list_size if self._shards else 0
        return len(self._keys), dim

    def blocks(self, size: int) -> Iterator[FloatArray]:
        """Consecutive blocks of at most `size` rows, float32; holds one row group and one block."""
        return _rebatch(self._pieces(), size)

    def _pieces(self) -> Iterator[FloatArray]:
        for number, shard in enumerate(self._shards):
            rows = self._row[self._shard == number]
            if not len(rows):
                continue
            start = 0
            for batch in pq.ParquetFile(shard).iter_batches(ROW_GROUP, columns=["vector"]):
                if start > rows.max():
                    break
                inside = rows[(rows >= start) & (rows < start + batch.num_rows)] - start
                if len(inside):
                    yield vectors_of(batch)[inside]
                start += batch.num_rows


def _opened(folder: Path, store: VectorStore, start: int, stop: int) -> VectorSet:
    return VectorSet(folder, store).between(start, stop)


class FileVectors:
    """`Rows` over Parquet files of (key, vector), such as fused vectors."""

    def __init__(self, files: Sequence[Path], within: tuple[int, int] | None = None) -> None:
        self._files = list(files)
        self._within = within  # of their rows only those

    def between(self, start: int, stop: int) -> "FileVectors":
        """The rows `start` to `stop`."""
        first = self._within[0] if self._within else 0
        return FileVectors(self._files, (first + start, first + stop))

    @classmethod
    def in_folder(cls, folder: Path) -> "FileVectors":
        """Those that `write_shards` wrote."""
        return cls(sorted(folder.glob("vectors-*.parquet")))

    @property
    def keys(self) -> list[str]:
        """The key of every row, in order."""
        tables = (pq.read_table(path, columns=["key"]) for path in self._files)
        keys = [key for table in tables for key in table["key"].to_pylist()]
        return keys[slice(*self._within)] if self._within else keys

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, dim)."""
        dim = pq.read_schema(self._files[0]).field("vector").type.list_size
        if self._within:
            return self._within[1] - self._within[0], dim
        return sum(pq.read_metadata(path).num_rows for path in self._files), dim

    def blocks(self, size: int) -> Iterator[FloatArray]:
        """Consecutive blocks of at most `size` rows, float32."""
        return _rebatch(self._pieces(), size)

    def _pieces(self) -> Iterator[FloatArray]:
        first, last = self._within or (0, sys.maxsize)
        done = 0
        for path in self._files:
            count = pq.read_metadata(path).num_rows
            if done + count > first and done < last:
                yield from _some(pq.ParquetFile(path), first - done, last - done)
            done += count


def _some(file: pq.ParquetFile, first: int, last: int) -> Iterator[FloatArray]:
    """The vectors of rows `first` to `last` of a file, a row group at a time."""
    start = 0
    for batch in file.iter_batches(ROW_GROUP, columns=["vector"]):
        inside = slice(max(first - start, 0), max(last - start, 0))
        if start < last and start + batch.num_rows > first:
            yield vectors_of(batch)[inside]
        start += batch.num_rows


def _rebatch(pieces: Iterator[FloatArray], size: int) -> Iterator[FloatArray]:
    held: list[FloatArray] = []
    count = 0
    for fresh in pieces:
        piece = fresh
        while count + len(piece) >= size:
            cut = size - count
            yield np.concatenate([*held, piece[:cut]])
            held, count, piece = [], 0, piece[cut:]
        if len(piece):
            held.append(piece)
            count += len(piece)
    if held:
        yield np.concatenate(held)


def open_vectors(workspace: Workspace, artifact: Artifact) -> VectorSet:
    """The vectors of an `image_vectors` or `text_vectors` artifact, read by blocks."""
    store = VectorStore.of(workspace, artifact.facts["store"], artifact.facts["modality"])
    return VectorSet(artifact.folder(workspace), store)


def open_file_vectors(workspace: Workspace, artifact: Artifact) -> FileVectors:
    """The vectors of an artifact that holds them itself, such as `fused` or a modality's."""
    return FileVectors.in_folder(artifact.folder(workspace))
