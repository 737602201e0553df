"""Sets of vectors read by blocks: an index over shards of a store, or the files of one artifact."""

import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sortal.configs.errors import TransientError
from sortal.storage.artifacts import Artifact, read_manifest
from sortal.storage.hashing import hash_strings
from sortal.storage.mirror import DamagedError, Mirror, is_read_later
from sortal.storage.objects.bucket import at_once
from sortal.storage.objects.failures import tried
from sortal.storage.pages import vector_groups
from sortal.storage.rows import FloatArray, rebatched
from sortal.storage.vectors import PLAIN, ROW_GROUP, Located, VectorStore, key_column, vector_table
from sortal.storage.workspace import Workspace

INDEX = "index.parquet"
_SOME_KEYS = 1 << 16
T = TypeVar("T")


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
        done += write_shard(folder / shard_name(number), keys[done:], some)


def shard_name(number: int) -> str:
    """The name of a file of vectors in an artifact."""
    return f"vectors-{number:05d}.parquet"


def write_shard(path: Path, keys: Sequence[str] | pa.Array, blocks: Iterable[FloatArray]) -> int:
    """Write blocks as a file, a row group each, with the first of `keys`; how many rows."""
    pending = iter(blocks)
    first, done = next(pending), 0
    schema = vector_table([], first[:0]).schema
    with pq.ParquetWriter(path, schema, **PLAIN) as writer:
        for block in itertools.chain([first], pending):
            writer.write_table(vector_table(keys[done : done + len(block)], block))
            done += len(block)
    return done


def write_index(
    folder: Path, store: VectorStore, keys: Sequence[str] | pa.ChunkedArray
) -> tuple[list[Path], str]:
    """Write `index.parquet`, the rows of `store` that make up one set of vectors.

    Returns the shards in use and the hash of the keys in row order. The order is that of the
    shards, so one pass reads every shard once, whatever the order of `keys`.
    """
    shards, places = store.located()
    rows = places.filter(pc.is_in(places["key"], value_set=key_column(keys)))
    return write_rows(folder, shards, rows), hash_strings(each_key(rows["key"]))


def write_rows(folder: Path, shards: Sequence[Path], rows: pa.Table) -> list[Path]:
    """Write `index.parquet` of rows (key, shard, row); returns those of `shards` in use.

    `shard` is a number in `shards`, `row` one in that shard.
    """
    numbers = rows["shard"].to_numpy()
    used, first = np.unique(numbers, return_index=True)
    used = used[np.argsort(first)]
    rank = np.empty(len(shards), dtype=np.int32)
    rank[used] = np.arange(len(used))
    table = rows.set_column(1, "shard", pa.array(rank[numbers], pa.int32()))
    names = json.dumps([shards[number].as_posix() for number in used])
    pq.write_table(table.replace_schema_metadata({"shards": names}), folder / INDEX)
    return [shards[number] for number in used]


def each_key(keys: pa.ChunkedArray) -> Iterator[str]:
    """Keys as strings, of which few are in memory at once."""
    for start in range(0, len(keys), _SOME_KEYS):
        yield from keys.slice(start, _SOME_KEYS).to_pylist()


class VectorSet:
    """A set of vectors, read by blocks (satisfies `Rows`): an index over shards.

    Pickled, it is no more than where the index is.
    """

    def __init__(self, folder: Path, store: VectorStore) -> None:
        self._origin = folder, store
        if store.mirror:
            store.mirror.bring_once(folder, INDEX)
        table = pq.read_table(folder / INDEX)
        names = json.loads(table.schema.metadata[b"shards"])
        self._shards = [store.folder / Path(name).name for name in names]
        self._within = 0, table.num_rows
        self.key_column = table.column("key")
        self._shard = table.column("shard").to_numpy()
        self._row = table.column("row").to_numpy()

    @cached_property
    def keys(self) -> list[str]:
        """The key of every row, in order; where there are many, take `key_column`."""
        return list(self.key_column.to_pylist())

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (*self._origin, *self._within)

    def between(self, start: int, stop: int) -> "VectorSet":
        """The rows `start` to `stop`; the index is not read again."""
        part = VectorSet.__new__(VectorSet)
        part._origin, part._shards = self._origin, self._shards
        part._within = self._within[0] + start, self._within[0] + stop
        part.key_column = self.key_column.slice(start, stop - start)
        part._shard, part._row = self._shard[start:stop], self._row[start:stop]
        return part

    def located(self) -> Located:
        """Where each row is, in order."""
        columns = [self.key_column, self._shard, self._row]
        return Located(self._shards, pa.table(columns, names=["key", "shard", "row"]))

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, dim)."""
        if not self._shards:
            return len(self.key_column), 0
        schema = pq.read_schema(self._origin[1].here(self._shards[0]))
        return len(self.key_column), schema.field("vector").type.list_size

    def blocks(self, size: int) -> Iterator[FloatArray]:
        """Consecutive blocks of at most `size` rows, float32; holds one row group and one block."""
        return rebatched(self._pieces(), size)

    def _pieces(self) -> Iterator[FloatArray]:
        for number, rows in self._rows_by_shard():
            within = int(rows.min()), int(rows.max()) + 1
            shard = self._origin[1].here(self._shards[number])
            for start, block in vector_groups(shard, ROW_GROUP, *within):
                inside = rows[(rows >= start) & (rows < start + len(block))] - start
                if len(inside):
                    yield block if len(inside) == len(block) else block[inside]

    def _rows_by_shard(self) -> Iterator[tuple[int, NDArray[np.int32]]]:
        """The number of each shard in use, and its rows; an index goes through them in order."""
        edges = np.flatnonzero(np.diff(self._shard, prepend=-1, append=-1))
        for first, last in itertools.pairwise(edges.tolist()):
            yield int(self._shard[first]), self._row[first:last]


def _opened(folder: Path, store: VectorStore, start: int, stop: int) -> VectorSet:
    return VectorSet(folder, store).between(start, stop)


class FileVectors:
    """`Rows` over Parquet files of (key, vector), such as fused vectors.

    `away`: a bucket, and the hashes of files by name, of which one is brought here when it is read.
    """

    def __init__(
        self, files: Sequence[Path], away: tuple[Mirror, Mapping[str, str]] | None = None
    ) -> None:
        self._files, self._away = list(files), away
        self._within: tuple[int, int] | None = None  # of their rows only those

    def between(self, start: int, stop: int) -> "FileVectors":
        """The rows `start` to `stop`."""
        part = FileVectors(self._files, self._away)
        part._facts = self._facts  # so that no part looks into all files
        first = self._within[0] if self._within else 0
        part._within = first + start, first + stop
        return part

    @classmethod
    def in_folder(cls, folder: Path) -> "FileVectors":
        """Those that `write_shards` wrote."""
        return cls(sorted(folder.glob("vectors-*.parquet")))

    @property
    def key_column(self) -> pa.ChunkedArray:
        """The key of every row, in order."""
        keys = pa.concat_tables(self._of_each(lambda file: pq.read_table(file, columns=["key"])))[
            "key"
        ]
        return keys[slice(*self._within)] if self._within else keys

    @property
    def keys(self) -> list[str]:
        """The same as strings."""
        return list(self.key_column.to_pylist())

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, dim)."""
        dim, counts = self._facts
        first, last = self._within or (0, sum(counts))
        return last - first, dim

    @cached_property
    def _facts(self) -> tuple[int, list[int]]:
        """Dimensions, and the rows of each file."""
        each = self._of_each(_shape)
        return each[0][1] if each else 0, [count for count, _ in each]

    def _of_each(self, read: Callable[[Any], T]) -> list[T]:
        """What `read` takes of each file, of one that is away without the rest of it."""

        def of(path: Path) -> T:
            if self._away and not path.exists():
                (mirror, digests), name = self._away, path.name
                with suppress(FileNotFoundError):  # said when it is brought
                    return tried(
                        lambda: read(mirror.opened(path, digests[name])), mirror.bucket.url
                    )
            return read(self._here(path))

        return at_once(of, self._files)

    def _here(self, path: Path) -> Path:
        """A file, brought here if it was not; raises TransientError."""
        if self._away and not path.exists():
            mirror, digests = self._away
            try:
                mirror.bring_file(path, digests[path.name])
            except DamagedError as error:
                url = mirror.bucket.url
                raise TransientError(f"{url}: {error}; run again, it is made anew") from None
        return path

    def blocks(self, size: int) -> Iterator[FloatArray]:
        """Consecutive blocks of at most `size` rows, float32."""
        return rebatched(self._pieces(), size)

    def _pieces(self) -> Iterator[FloatArray]:
        first, last = self._within or (0, sys.maxsize)
        done = 0
        for path, count in zip(self._files, self._facts[1], strict=True):
            if done + count > first and done < last:
                yield from _some(self._here(path), first - done, last - done)
            done += count


def _shape(file: Any) -> tuple[int, int]:
    opened = pq.ParquetFile(file)
    return opened.metadata.num_rows, opened.schema_arrow.field("vector").type.list_size


def _some(path: Path, first: int, last: int) -> Iterator[FloatArray]:
    """The vectors of rows `first` to `last` of a file, a row group at a time."""
    for start, block in vector_groups(path, ROW_GROUP, first, last):
        piece = block[max(first - start, 0) : max(last - start, 0)]
        if len(piece):
            yield piece


def open_vectors(workspace: Workspace, artifact: Artifact) -> VectorSet:
    """The vectors of an `image_vectors` or `text_vectors` artifact, read by blocks."""
    store = VectorStore.of(workspace, artifact.facts["store"], artifact.facts["modality"])
    return VectorSet(artifact.folder(workspace), store)


def open_file_vectors(workspace: Workspace, artifact: Artifact) -> FileVectors:
    """The vectors of an artifact that holds them itself, such as `fused` or a modality's."""
    folder, mirror = artifact.folder(workspace), Mirror.of(workspace)
    manifest = read_manifest(folder) if mirror else None
    if mirror is None or manifest is None:
        return FileVectors.in_folder(folder)
    files = manifest["files"].items()
    digests = {name: entry["hash"] for name, entry in files if is_read_later(name)}
    return FileVectors([folder / name for name in sorted(digests)], (mirror, digests))
