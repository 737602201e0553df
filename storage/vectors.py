"""Vector shards: Parquet files of (key, float16 vector), one store an encoder and modality.

Adding images adds shards; no shard is ever rewritten, but small ones may be replaced by one
(storage/compaction.py). A shard counts once its small JSON sidecar (row count, hash, place in the
order) is there, so a killed run loses at most the shard it was writing.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.atomic import atomic_file, write_json
from storage.hashing import hash_file, hash_strings
from storage.rows import FloatArray
from storage.workspace import Workspace

ROW_GROUP = 4096
INDEX = "index.parquet"


def vector_table(keys: Sequence[str], vectors: np.ndarray) -> pa.Table:
    """Arrow table with columns key (string) and vector (fixed-size list of float16)."""
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float16).reshape(-1))
    column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    return pa.table({"key": pa.array(keys, pa.string()), "vector": column})


def vectors_of(table: pa.Table | pa.RecordBatch) -> FloatArray:
    """The column `vector` as a float32 array of shape (n_rows, dim)."""
    column = table.column("vector")
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(column), -1).astype(np.float32)


def _write(path: Path, table: pa.Table) -> None:
    """Write one Parquet file of vectors (no compression: random bits do not shrink)."""
    pq.write_table(table, path, row_group_size=ROW_GROUP, compression="none", use_dictionary=False)


@dataclass(frozen=True)
class VectorStore:
    """The shards of one encoder and one modality in a workspace."""

    folder: Path

    @classmethod
    def of(cls, workspace: Workspace, encoder_fingerprint: str, modality: str) -> "VectorStore":
        """The store of `modality` ("images" or "texts") under an encoder's fingerprint."""
        return cls(workspace.vectors / encoder_fingerprint / modality)

    def add(self, keys: Sequence[str], vectors: np.ndarray) -> Path:
        """Publish one shard of vectors of shape (len(keys), dim); returns its path."""
        return self.add_table(vector_table(keys, vectors))

    def add_table(self, table: pa.Table) -> Path:
        """Publish one shard of rows with a column `key`; returns its path."""
        self.folder.mkdir(parents=True, exist_ok=True)
        facts = self.sidecars()
        last = max((each["order"] for each in facts.values()), default=-1)
        name = hash_strings(table.column("key").to_pylist())[:16]
        rebuilt = facts.get(name, {})  # a damaged shard's order stays its own
        return self._publish(table, rebuilt.get("order", last + 1), [])

    def merge(self, shards: Sequence[Path]) -> Path:
        """Publish one shard in place of `shards`, neighbours in the order; returns its path.

        It holds the same rows in the same order, of equal keys the first. The old ones stay,
        but count no more while the new one is sound.
        """
        table = pa.concat_tables([pq.read_table(shard) for shard in shards])
        keys = table.column("key").to_pylist()
        first = {key: row for row, key in reversed(list(enumerate(keys)))}
        facts = self.sidecars()
        old = [facts[shard.stem] for shard in shards]
        replaced = {name for each in old for name in each.get("replaces", [])}
        replaced |= {shard.stem for shard in shards}
        order = min(each["order"] for each in old)
        return self._publish(table.take(sorted(first.values())), order, sorted(replaced))

    def _publish(self, table: pa.Table, order: int, replaces: list[str]) -> Path:
        stem = hash_strings(table.column("key").to_pylist())[:16]
        path = self.folder / f"{stem}.parquet"
        if stem not in replaces:  # else one of them holds every key already
            with atomic_file(path) as temporary:
                _write(temporary, table)
        sidecar = {"rows": table.num_rows, "hash": hash_file(path), "order": order}
        replaces = [name for name in replaces if name != stem]
        write_json(
            path.with_suffix(".json"), sidecar | ({"replaces": replaces} if replaces else {})
        )
        return path

    def sidecars(self) -> dict[str, dict[str, Any]]:
        """Name (without suffix) -> rows, hash, order and replaces of every shard there is."""
        found: dict[str, dict[str, Any]] = {}
        for path in self.folder.glob("[!.]*.json"):
            try:
                facts = json.loads(path.read_text())
                found[path.stem] = facts | {"order": int(facts["order"])}
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return found

    def shards(self) -> list[Path]:
        """Sound shards in the order they were added; damaged and replaced ones are passed over."""
        sound = {
            name: facts for name, facts in self.sidecars().items() if self.is_sound(name, facts)
        }
        replaced = {old for facts in sound.values() for old in facts.get("replaces", [])}
        found = sorted((facts["order"], name) for name, facts in sound.items())
        return [self.folder / f"{name}.parquet" for _, name in found if name not in replaced]

    def is_sound(self, name: str, facts: dict[str, Any]) -> bool:
        """Whether the shard's file is what its sidecar says."""
        try:
            return hash_file(self.folder / f"{name}.parquet") == facts.get("hash")
        except OSError:
            return False

    def located(self) -> dict[str, tuple[Path, int]]:
        """key -> (shard, row) over all sound shards; the first place of a key counts."""
        places: dict[str, tuple[Path, int]] = {}
        for shard in self.shards():
            keys = pq.read_table(shard, columns=["key"]).column("key").to_pylist()
            for row, key in enumerate(keys):
                places.setdefault(key, (shard, row))
        return places

    def missing(self, keys: Sequence[str]) -> list[str]:
        """The keys that no sound shard holds, in the order given, each once."""
        have = self.located()
        return [key for key in dict.fromkeys(keys) if key not in have]

    def take(self, keys: Sequence[str]) -> dict[str, FloatArray]:
        """Vectors (dim,) of those of a few keys that the store holds, float32."""
        wanted = pa.array(dict.fromkeys(keys), pa.string())
        found: dict[str, FloatArray] = {}
        for shard in self.shards():
            held = pq.read_table(shard, columns=["key"])["key"].combine_chunks()
            rows = pc.index_in(wanted, value_set=held)
            names = wanted.filter(pc.is_valid(rows)).to_pylist()
            if names:
                table = pq.read_table(shard, columns=["vector"]).take(rows.drop_null())
                found = dict(zip(names, vectors_of(table), strict=True)) | found
        return found


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
