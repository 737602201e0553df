"""One value out of a Parquet column at a time: the rows after it are at hand for the next call.

Images are read in nearly their order, so a reader continues where it is; it holds one batch.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.tasks.sources.errors import Code, ImageError

BROKEN = (OSError, ValueError)  # what pyarrow raises for a damaged file
_BATCH = 32  # rows decoded at a time
_BUFFER = 1 << 20  # bytes read at a time
_here = threading.local()


def read_row(file: Path, row: int, column_of: Callable[[pa.Schema], str | None]) -> bytes:
    """The bytes in a row of the column that `column_of` finds; raises ImageError.

    The last file read stays open in this thread, until it has another time or size.
    """
    try:
        info = file.stat()
        identity = (file, info.st_mtime_ns, info.st_size)
        if getattr(_here, "identity", None) != identity:
            _here.identity, _here.reader = None, None
            _here.reader = _Reader(file, column_of)
            _here.identity = identity
        reader: _Reader = _here.reader
        value = reader.value(row)
    except FileNotFoundError as error:
        raise ImageError(Code.MISSING, "gone since it was listed") from error
    except BROKEN as error:
        raise ImageError(Code.DAMAGED, " ".join(str(error).split())[:200]) from error
    if value is None:
        raise ImageError(Code.MISSING, "the row holds no bytes")
    return value


class _Reader:
    """A binary column of one file, read batch by batch from the start of a row group."""

    def __init__(self, file: Path, column_of: Callable[[pa.Schema], str | None]) -> None:
        # Buffered, so that a column is not read whole; a map would end the process (SIGBUS)
        # when the file is cut while it is read.
        self._file = pq.ParquetFile(file, buffer_size=_BUFFER)
        column = column_of(self._file.schema_arrow)
        if column is None:
            raise ValueError("its column of images is gone")
        self._column = column
        metadata = self._file.metadata
        sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        self._starts = np.cumsum([0, *sizes])
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._first, self._group = 0, -1
        self._values = pa.array([], pa.binary())
        self._damage: dict[int, tuple[int, str]] = {}  # row group -> first lost row, and why

    def value(self, row: int) -> bytes | None:
        """The value of a row; raises OSError or ValueError where the file is damaged."""
        if not 0 <= row < self._starts[-1]:
            raise ValueError(f"row {row:,} is gone: the file has {self._starts[-1]:,}")
        group = int(np.searchsorted(self._starts, row, side="right")) - 1
        lost, why = self._damage.get(group, (row + 1, ""))
        if row >= lost:
            raise ValueError(why)
        if group != self._group or row < self._first:
            self._begin(group)
        while row >= self._first + len(self._values):
            self._first += len(self._values)
            self._values = self._next()
        found: bytes | None = self._values[row - self._first].as_py()
        return found

    def _begin(self, group: int) -> None:
        self._batches = self._file.iter_batches(
            _BATCH, row_groups=[group], columns=[self._column], use_threads=False
        )
        self._first, self._group = int(self._starts[group]), group
        self._values = self._values.slice(0, 0)

    def _next(self) -> pa.Array:
        try:
            values = next(self._batches).column(0)
        except (*BROKEN, StopIteration) as error:
            why = str(error) or "the row group ends early"
            self._damage[self._group] = (self._first, why)
            self._group = -1
            raise ValueError(why) from error
        return pc.struct_field(values, "bytes") if "." in self._column else values
