"""Vector shards: Parquet files of (key, float16 vector), one store an encoder and modality.

Adding images adds shards; no shard is ever rewritten, but small ones may be replaced by one
(storage/maintenance/compaction.py). A shard counts once its small JSON sidecar (row count, hash,
place in the order) is there, so a killed run loses at most the shard it was writing.
"""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.storage.atomic import atomic_file, write_json
from sortal.storage.hashing import hash_file, hash_strings
from sortal.storage.pages import list_values
from sortal.storage.rows import FloatArray
from sortal.storage.workspace import Workspace

ROW_GROUP = 4096
# Random bits do not shrink, and nobody asks for the least of their values, which takes a while.
PLAIN: dict[str, Any] = {
    "compression": "none",
    "use_dictionary": False,
    "write_statistics": ["key"],
}


_PLACES = pa.schema({"key": pa.string(), "shard": pa.int32(), "row": pa.int32()})


class Located(NamedTuple):
    """Where vectors are: shards, and a table (key, shard, row), `shard` a number in `shards`."""

    shards: list[Path]
    places: pa.Table


def key_column(keys: Sequence[str] | pa.Array | pa.ChunkedArray) -> pa.Array:
    """Keys as one Arrow array of strings."""
    if isinstance(keys, pa.ChunkedArray):
        return keys.combine_chunks()
    return keys if isinstance(keys, pa.Array) else pa.array(keys, pa.string())


def vector_table(keys: Sequence[str] | pa.Array, vectors: np.ndarray) -> pa.Table:
    """Arrow table with columns key (string) and vector (fixed-size list of float16)."""
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float16).reshape(-1))
    column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    return pa.table({"key": key_column(keys), "vector": column})


def vectors_of(table: pa.Table | pa.RecordBatch) -> FloatArray:
    """The column `vector` as a float32 array of shape (n_rows, dim)."""
    column = table.column("vector")
    return list_values(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)


def _write(path: Path, table: pa.Table) -> None:
    """Write one Parquet file of vectors, as `PLAIN` says."""
    pq.write_table(table, path, row_group_size=ROW_GROUP, **PLAIN)


@dataclass(frozen=True)
class VectorStore:
    """The shards of one encoder and one modality in a workspace."""

    folder: Path

    @classmethod
    def of(cls, workspace: Workspace, encoder_fingerprint: str, modality: str) -> "VectorStore":
        """The store of `modality` ("images" or "texts") under an encoder's fingerprint."""
        return cls(workspace.vectors / encoder_fingerprint / modality)

    def add(
        self, keys: Sequence[str] | pa.Array, vectors: np.ndarray, order: int | None = None
    ) -> Path:
        """Publish one shard of vectors of shape (len(keys), dim); returns its path.

        `order`: its place among the shards, one of `free_orders`; None: after all others.
        """
        return self.add_table(vector_table(keys, vectors), order)

    def add_table(self, table: pa.Table, order: int | None = None) -> Path:
        """Publish one shard of rows with a column `key`; returns its path."""
        self.folder.mkdir(parents=True, exist_ok=True)
        facts = self.sidecars()
        if order is None:
            order = max((each["order"] for each in facts.values()), default=-1) + 1
        name = hash_strings(table.column("key").to_pylist())[:16]
        rebuilt = facts.get(name, {})  # a damaged shard's order stays its own
        return self._publish(table, rebuilt.get("order", order), [])

    def free_orders(self, count: int) -> list[int]:
        """The first `count` places in the order that no shard has.

        Where shards are written at the same time and some are lost, the next run so puts theirs
        where they would have been.
        """
        taken = {each["order"] for each in self.sidecars().values()}
        free = (number for number in itertools.count() if number not in taken)
        return list(itertools.islice(free, count))

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
        """Sound shards in the order they were added; damaged and replaced ones are skipped."""
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

    def located(self) -> Located:
        """Where the vectors of all keys are, in the order of sound shards; a key's first place."""
        shards, pieces = self.shards(), [_PLACES.empty_table()]
        for number, shard in enumerate(shards):
            keys = pq.read_table(shard, columns=["key"])["key"]
            rows = np.arange(len(keys), dtype=np.int32)
            pieces.append(pa.table([keys, np.full_like(rows, number), rows], schema=_PLACES))
        table = pa.concat_tables(pieces)
        if pc.count_distinct(table["key"]).as_py() < table.num_rows:
            numbered = table.append_column("number", pa.array(np.arange(table.num_rows)))
            first = numbered.group_by("key").aggregate([("number", "min")])["number_min"]
            table = table.take(np.sort(first.to_numpy()))
        return Located(shards, table)

    def missing(self, keys: Sequence[str] | pa.ChunkedArray) -> list[str]:
        """The keys that no sound shard holds, in the order given, each once."""
        wanted = pc.unique(key_column(keys))
        held = pc.is_in(wanted, value_set=key_column(self.located().places["key"]))
        found: list[str] = wanted.filter(pc.invert(held)).to_pylist()
        return found

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
