"""Sets of vectors read by blocks: an index over shards of a store, or the files of one artifact."""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

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
        path = folder / f"vectors-{number:05d}.parquet"
        schema = vector_table([], first[:0]).schema
        with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
            for block in itertools.chain([first], itertools.islice(pending, shard_blocks - 1)):
                writer.write_table(vector_table(keys[done : done + len(block)], block))
                done += len(block)


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
    """A set of vectors, read by blocks (satisfies `Rows`): an index over shards."""

    def __init__(self, folder: Path, store: VectorStore) -> None:
        table = pq.read_table(folder / INDEX)
        names = json.loads(table.schema.metadata[b"shards"])
        self._shards = [store.folder / Path(name).name for name in names]
        self.keys: list[str] = table.column("key").to_pylist()
        self._shard = table.column("shard").to_numpy()
        self._row = table.column("row").to_numpy()

    def places(self) -> list[tuple[str, Path, int]]:
        """(key, shard, row in the shard) of every row, in order."""
        numbers, rows = self._shard.tolist(), self._row.tolist()
        shards = [self._shards[number] for number in numbers]
        return list(zip(self.keys, shards, rows, strict=True))

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, dim)."""
        dim = pq.read_schema(self._shards[0]).field("vector").type.list_size if self._shards else 0
        return len(self.keys), dim

    def blocks(self, size: int) -> Iterator[FloatArray]:
        """Consecutive blocks of at most `size` rows, float32; holds one row group and one block."""
        return _rebatch(self._pieces(), size)

    def _pieces(self) -> Iterator[FloatArray]:
        for number, shard in enumerate(self._shards):
            rows = self._row[self._shard == number]
            start = 0
            for batch in pq.ParquetFile(shard).iter_batches(ROW_GROUP, columns=["vector"]):
                inside = rows[(rows >= start) & (rows < start + batch.num_rows)] - start
                if len(inside):
                    yield vectors_of(batch)[inside]
                start += batch.num_rows


class FileVectors:
    """`Rows` over Parquet files of (key, vector), such as fused vectors."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = list(files)

    @classmethod
    def in_folder(cls, folder: Path) -> "FileVectors":
        """Those that `write_shards` wrote."""
        return cls(sorted(folder.glob("vectors-*.parquet")))

    @property
    def keys(self) -> list[str]:
        """The key of every row, in order."""
        tables = (pq.read_table(path, columns=["key"]) for path in self._files)
        return [key for table in tables for key in table["key"].to_pylist()]

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, dim)."""
        rows = sum(pq.read_metadata(path).num_rows for path in self._files)
        return rows, pq.read_schema(self._files[0]).field("vector").type.list_size

    def blocks(self, size: int) -> Iterator[FloatArray]:
        """Consecutive blocks of at most `size` rows, float32."""
        return _rebatch(self._pieces(), size)

    def _pieces(self) -> Iterator[FloatArray]:
        for path in self._files:
            for batch in pq.ParquetFile(path).iter_batches(ROW_GROUP, columns=["vector"]):
                yield vectors_of(batch)


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
