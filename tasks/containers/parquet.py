"""Parquet: rows of images as the Hugging Face library, img2dataset and others write them."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.tasks.containers.table import BROKEN, TableContainer

_BATCH = 32  # rows of images decoded at a time
_BUFFER = 1 << 20  # bytes of a file read at a time


class ParquetReader:
    """An open Parquet file."""

    def __init__(self, file: BinaryIO) -> None:
        # Buffered, so that a column is not read whole; a map would end the process (SIGBUS)
        # when the file is cut while it is read.
        self._file = pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)
        metadata = self._file.metadata
        sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        self._starts = np.cumsum([0, *sizes])
        self._damage: dict[int, tuple[int, str]] = {}  # row group -> first lost row, and why

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        return self._file.schema_arrow

    def batches(self, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        """All rows, of some columns."""
        if not columns:
            yield from _empty(int(self._starts[-1]), rows)
            return
        wanted = [self._leaf(name) for name in columns]
        yield from self._file.iter_batches(rows, columns=wanted, use_threads=False)

    def start_of(self, row: int) -> int:
        """The first row of the row group that holds a row."""
        return int(self._starts[self._group(row)])

    def values_from(self, row: int, column: str) -> Iterator[tuple[int, pa.Array]]:
        """(first row, values), from the row group that holds a row."""
        for group in range(self._group(row), len(self._starts) - 1):
            yield from self._values(group, column)

    def _group(self, row: int) -> int:
        if not 0 <= row < self._starts[-1]:
            raise ValueError(f"row {row:,} is gone: the file has {self._starts[-1]:,}")
        return int(np.searchsorted(self._starts, row, side="right")) - 1

    def _values(self, group: int, column: str) -> Iterator[tuple[int, pa.Array]]:
        start, end = int(self._starts[group]), int(self._starts[group + 1])
        lost, why = self._damage.get(group, (end + 1, ""))
        if start >= lost:
            raise ValueError(why)
        batches = self._file.iter_batches(
            _BATCH, row_groups=[group], columns=[column], use_threads=False
        )
        while True:
            try:
                batch = next(batches, None)
            except BROKEN as error:
                self._damage[group] = (start, str(error))
                raise
            if batch is None:
                break
            yield start, batch.column(0)  # not where errors are caught: it may be left for ever
            start += batch.num_rows
        if start < end:
            raise ValueError("the row group ends early")

    def _leaf(self, name: str) -> str:
        """The column as Parquet names it: `images.path` may be `images.list.element.path`."""
        top, _, field = name.rpartition(".")
        if not top or name in self.schema.names:
            return name
        paths = [self._file.schema.column(i).path for i in range(len(self._file.schema))]
        inner = [p for p in paths if p.startswith(f"{top}.") and p.endswith(f".{field}")]
        return inner[0] if inner else top


def _empty(count: int, rows: int) -> Iterator[pa.RecordBatch]:
    """Batches of so many rows without columns."""
    for start in range(0, count, rows):
        numbers = pa.array(range(min(rows, count - start)))
        yield pa.record_batch([numbers], names=[""])


PARQUET = TableContainer("parquet", ParquetReader)
