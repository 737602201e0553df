"""The last listing of a bucket, in the workspace: what size and version a path had then.

So a file is fetched in one request, and recognised in the cache without asking the server.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from sortal.storage.atomic import atomic_file
from sortal.tasks.places.base import File

_SCHEMA = pa.schema(
    [
        ("hash", pa.uint64()),
        ("bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("version", pa.string()),
    ]
)
_CHUNK = 65_536


@dataclass(frozen=True)
class Remembered:
    """One file of Arrow, sorted by the hash of paths and mapped into memory: workers share it."""

    file: Path

    @property
    def is_there(self) -> bool:
        """Whether a listing was remembered, so that what it lacks does not exist."""
        return _mapped_now(self.file) is not None

    def kept(self, files: Iterator[File]) -> Iterator[File]:
        """The files, which are remembered once all of them have been taken."""
        tables: list[pa.Table] = []
        rows: list[tuple[int, int, int, str | None]] = []
        for file in files:
            rows.append((_hash(file.path), file.bytes, file.mtime_ns, file.version))
            if len(rows) == _CHUNK:
                tables.append(_table(rows))
                rows = []
            yield file
        self._write(pa.concat_tables([*tables, _table(rows)]))

    def _write(self, table: pa.Table) -> None:
        table = table.take(pc.sort_indices(table["hash"])).combine_chunks()
        with (
            atomic_file(self.file) as fresh,
            pa.ipc.new_file(str(fresh), _SCHEMA) as writer,
        ):
            writer.write_table(table)

    def find(self, path: str) -> File | None:
        """The file as it was listed last; None where it was not."""
        mapped = _mapped_now(self.file)
        if mapped is None:
            return None
        hashes, table = mapped
        wanted = np.uint64(_hash(path))
        row = int(np.searchsorted(hashes, wanted))
        if row >= len(hashes) or hashes[row] != wanted:
            return None
        size, mtime_ns, version = (table[name][row].as_py() for name in _SCHEMA.names[1:])
        return File(path, size, mtime_ns, version=version)


def _mapped_now(file: Path) -> tuple[np.ndarray, pa.Table] | None:
    try:
        return _mapped(file, file.stat().st_mtime_ns)
    except (OSError, ValueError):  # none yet, or damaged: the server is asked
        return None


@lru_cache(maxsize=4)
def _mapped(file: Path, _mtime_ns: int) -> tuple[np.ndarray, pa.Table]:
    table = pa.ipc.open_file(pa.memory_map(str(file))).read_all().cast(_SCHEMA)
    hashes = table["hash"].chunks[0] if table.num_rows else pa.array([], pa.uint64())
    return hashes.to_numpy(), table


def _hash(path: str) -> int:
    return xxhash.xxh3_64_intdigest(path.encode("utf-8", "surrogatepass"))


def _table(rows: list[tuple[int, int, int, str | None]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(_SCHEMA)
    return pa.table(dict(zip(_SCHEMA.names, columns, strict=True)), schema=_SCHEMA)
