"""What earlier scans of a source found: path, size, time -> key and header; one small file."""

from contextlib import suppress
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.storage.atomic import atomic_file
from sortal.storage.hashing import fingerprint
from sortal.tasks.errors import Code
from sortal.tasks.pictures.extra import READING, installed
from sortal.tasks.sources.base import LISTING

PICTURE = (  # what the header of an image says
    pa.field("width", pa.int32()),
    pa.field("height", pa.int32()),
    pa.field("format", pa.string()),
    pa.field("flag", pa.string()),
    pa.field("taken_at", pa.timestamp("us")),
    pa.field("camera_make", pa.string()),
    pa.field("camera_model", pa.string()),
    pa.field("latitude", pa.float64()),
    pa.field("longitude", pa.float64()),
    pa.field("orientation", pa.int16()),
    pa.field("color_profile", pa.string()),
)
FACTS = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("n_bytes", pa.int64()),
        *PICTURE,
        pa.field("error_code", pa.string()),
        pa.field("error", pa.string()),
    ]
)
_GROUP = 1 << 17  # rows that are written at a time
SEEN = ("path", "bytes", "mtime_ns", "offset")  # columns of the listing that are compared


class ScanCache:
    """What earlier scans of one source found, in `file`; trusted while size and time agree.

    `revision` changes when a verifying scan finds new bytes behind an unchanged size and time.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.revision = ""
        with suppress(OSError, ValueError):  # none yet, or damaged: all is read again
            metadata = pq.read_schema(file).metadata or {}
            self.revision = metadata.get(b"revision", b"").decode()

    @cached_property
    def table(self) -> pa.Table:
        """The columns SEEN and FACTS of every file known."""
        with suppress(OSError, ValueError, KeyError):
            known = pq.read_table(self._file, partitioning=None).select([*SEEN, *FACTS.names])
            return self._still_true(known).replace_schema_metadata()
        return pa.schema([*(LISTING.field(name) for name in SEEN), *FACTS]).empty_table()

    def _still_true(self, known: pa.Table) -> pa.Table:
        """`known` without the formats that could not be read when other packages were installed."""
        if (known.schema.metadata or {}).get(b"readers", b"").decode() == _readers():
            return known
        code = pc.fill_null(known["error_code"], "")
        return known.filter(pc.not_equal(code, Code.UNSUPPORTED_FORMAT.value))

    def rows_of(self, listing: pa.Table) -> np.ndarray:
        """The row of `table` that knows each listed file, -1 where none does. Shape (n_rows,)."""
        if not self.table.num_rows:
            return np.full(listing.num_rows, -1, dtype=np.int64)
        paths = self.table.column("path")
        found = pc.index_in(listing.column("path"), value_set=paths.combine_chunks())
        rows = pc.fill_null(found, -1).to_numpy().astype(np.int64)
        known = rows >= 0
        for name in SEEN[1:]:
            past = numbers(self.table.column(name))[rows[known]]
            rows[np.flatnonzero(known)[past != numbers(listing.column(name))[known]]] = -1
            known = rows >= 0
        return rows

    def save(self, listing: pa.Table, facts: pa.Table) -> None:
        """Keep `facts` of the rows of `listing`, except errors that other limits would lift."""
        seen = listing.select(SEEN)
        table = pa.Table.from_arrays(seen.columns + facts.columns, names=[*SEEN, *FACTS.names])
        schema = table.schema.with_metadata({"revision": self.revision, "readers": _readers()})
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with (
            atomic_file(self._file) as temporary,
            pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
        ):
            for start in range(0, table.num_rows, _GROUP):
                rows = table.slice(start, _GROUP)
                code = pc.fill_null(rows["error_code"], "")
                lasting = pc.not_equal(code, Code.TOO_MANY_PIXELS.value)
                writer.write_table(rows.filter(pc.and_(pc.is_valid(rows["key"]), lasting)))


def _readers() -> str:
    return fingerprint(READING, installed())


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """A column of whole numbers, null as -1. Shape (n_rows,)."""
    return pc.fill_null(column, -1).to_numpy()
