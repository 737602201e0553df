"""What earlier scans of a source found: path, size, time -> key and header; one small file."""

from contextlib import suppress
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.storage.atomic import atomic_file
from sortal.tasks.scan.listing import LISTING
from sortal.tasks.sources.errors import Code

FACTS = pa.schema(
    [
        ("key", pa.string()),
        ("n_bytes", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("error_code", pa.string()),
        ("error", pa.string()),
    ]
)
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
            return known.replace_schema_metadata()
        return pa.schema([*(LISTING.field(name) for name in SEEN), *FACTS]).empty_table()

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
        lasting = pc.fill_null(pc.not_equal(facts["error_code"], Code.TOO_MANY_PIXELS.value), True)
        table = table.filter(pc.and_(pc.is_valid(facts["key"]), lasting))
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(self._file) as temporary:
            metadata = {"revision": self.revision}
            pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """A column of whole numbers, null as -1. Shape (n_rows,)."""
    return pc.fill_null(column, -1).to_numpy()
