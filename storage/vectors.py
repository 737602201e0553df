"""Vector shards: Parquet files of (key, float16 vector), one store an encoder and modality.

Adding images adds shards; no shard is ever rewritten, but small ones may be replaced by one
(storage/maintenance/compaction.py). A shard counts once its small JSON sidecar (row count, hash,
place in the order) is there, so a killed run loses at most the shard it was writing. Of a store
that is in a bucket too, all sidecars are brought here, and a shard when it is read.
"""

import itertools
import json
import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.errors import RunError, TransientError
from sortal.storage.atomic import atomic_file, write_json
from sortal.storage.hashing import hash_file, hash_strings
from sortal.storage.mirror import DamagedError, Mirror, object_of
from sortal.storage.objects.failures import tried
from sortal.storage.pages import list_values
from sortal.storage.rows import FloatArray
from sortal.storage.workspace import Workspace

log = logging.getLogger("sortal")

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
    mirror: Mirror | None = None

    @classmethod
    def of(cls, workspace: Workspace, encoder_fingerprint: str, modality: str) -> "VectorStore":
        """The store of `modality` ("images" or "texts") under an encoder's fingerprint."""
        return cls(workspace.vectors / encoder_fingerprint / modality, Mirror.of(workspace))

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
        table = pa.concat_tables([pq.read_table(self.here(shard)) for shard in shards])
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
        beside = path.with_suffix(".json")
        write_json(beside, sidecar | ({"replaces": replaces} if replaces else {}))
        if self.mirror:
            self.mirror.send({self.mirror.name(path): sidecar}, [beside])
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
        """Sound shards, which are here then, in the order they were added.

        Damaged and replaced ones are skipped.
        """
        return [shard for shard in self.counted() if self._is_here(shard)]

    def counted(self) -> list[Path]:
        """The same of shards that are here or, where they were not needed yet, in the bucket."""
        away = self.mirror.pull_sidecars(self.folder) if self.mirror else frozenset()
        sound = {
            name: facts
            for name, facts in self.sidecars().items()
            if self.is_sound(name, facts) or self._is_away(name, facts, away)
        }
        replaced = {old for facts in sound.values() for old in facts.get("replaces", [])}
        found = sorted((facts["order"], name) for name, facts in sound.items())
        return [self.folder / f"{name}.parquet" for _, name in found if name not in replaced]

    def _is_away(self, name: str, facts: dict[str, Any], away: Collection[str]) -> bool:
        """Whether the bucket has a shard that is not sound here; a damaged one makes room."""
        if object_of(f"{name}.parquet", str(facts.get("hash"))) not in away:
            return False
        (self.folder / f"{name}.parquet").unlink(missing_ok=True)
        return True

    def here(self, shard: Path) -> Path:
        """The shard, brought here from the bucket if it was not; raises TransientError."""
        if self.mirror and not shard.exists() and not self._is_here(shard):
            raise TransientError(
                f"{shard.name} must be in {self.mirror.bucket.url}, where it was, and it is not "
                "whole there; run again, its vectors are made anew"
            )
        return shard

    def _is_here(self, shard: Path) -> bool:
        """Whether a shard could be brought, where it had to be."""
        if self.mirror is None or shard.exists():
            return True
        try:
            self.mirror.bring_file(shard, self._digest(shard, self.mirror))
        except DamagedError as error:
            log.warning("%s: %s", self.mirror.bucket.url, error)
            return False
        return True

    def _digest(self, shard: Path, mirror: Mirror) -> str:
        """The hash by its sidecar of a shard that is not here; no hash where there is none."""
        if shard.stem not in self.sidecars():
            mirror.pull_sidecars(self.folder)
        return str(self.sidecars().get(shard.stem, {}).get("hash"))

    def keys_of(self, shard: Path) -> pa.ChunkedArray | None:
        """A shard's keys, of one in the bucket without the rest of it; None if they are damaged.

        A shard is named by the hash of its keys, which tells.
        """
        if self.mirror is None or shard.exists():
            return pq.read_table(shard, columns=["key"])["key"]
        mirror, digest = self.mirror, self._digest(shard, self.mirror)

        def read() -> pa.ChunkedArray:
            with mirror.opened(shard, digest) as file:
                return pq.read_table(file, columns=["key"], pre_buffer=True)["key"]

        with suppress(pa.ArrowException, FileNotFoundError, RunError):  # then all of it is brought
            keys = tried(read, mirror.bucket.url)
            if hash_strings(keys.to_pylist())[:16] == shard.stem:
                return keys
        return pq.read_table(shard, columns=["key"])["key"] if self._is_here(shard) else None

    def remove(self, shard: Path) -> None:
        """Remove a shard, in the bucket and here: first the sidecar, without which it is none."""
        if self.mirror:
            self.mirror.remove_shard(shard)
        shard.with_suffix(".json").unlink(missing_ok=True)
        shard.unlink(missing_ok=True)

    def is_sound(self, name: str, facts: dict[str, Any]) -> bool:
        """Whether the shard's file is what its sidecar says."""
        try:
            return hash_file(self.folder / f"{name}.parquet") == facts.get("hash")
        except OSError:
            return False

    def located(self) -> Located:
        """Where the vectors of all keys are, in the order of sound shards; a key's first place."""
        shards: list[Path] = []
        pieces = [_PLACES.empty_table()]
        for shard in self.counted():
            if (keys := self.keys_of(shard)) is not None:
                rows = np.arange(len(keys), dtype=np.int32)
                number = np.full_like(rows, len(shards))
                pieces.append(pa.table([keys, number, rows], schema=_PLACES))
                shards.append(shard)
        table = pa.concat_tables(pieces)
        if pc.count_distinct(table["key"]).as_py() < table.num_rows:
            numbered = table.append_column("number", pa.array(np.arange(table.num_rows)))
            first = numbered.group_by("key").aggregate([("number", "min")])["number_min"]
            table = table.take(np.sort(first.to_numpy()))
        return Located(shards, table)

    def missing(self, keys: Sequence[str] | pa.Array | pa.ChunkedArray) -> pa.Array:
        """The keys that no sound shard holds, in the order given, each once."""
        wanted = pc.unique(key_column(keys))
        held = pc.is_in(wanted, value_set=key_column(self.located().places["key"]))
        return wanted.filter(pc.invert(held))

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
