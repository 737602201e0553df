"""Arrow IPC files (feather) and streams, as the Hugging Face library keeps its data sets."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from sortal.tasks.containers.table import TableContainer

_MAGIC = b"ARROW1"


class ArrowReader:
    """An open Arrow file: a file's batches are read in any order, a stream's in theirs."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._is_file = file.read(len(_MAGIC)) == _MAGIC
        self._starts: list[int] = [0]  # of the batches known so far
        self._reader = self._opened()

    def _opened(self) -> "pa.ipc.RecordBatchFileReader | pa.ipc.RecordBatchStreamReader":
        self._file.seek(0)
        source = pa.PythonFile(self._file, mode="r")
        return pa.ipc.open_file(source) if self._is_file else pa.ipc.open_stream(source)

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        return self._reader.schema

    def batches(self, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        """All rows, of some columns."""
        known = self.schema.names
        wanted = [name if name in known else name.rpartition(".")[0] for name in columns]
        for _, batch in self._from(0):
            for start in range(0, batch.num_rows, rows):
                piece = batch.slice(start, rows)
                yield piece.select(wanted) if wanted else piece

    def start_of(self, row: int) -> int:
        """The first row of the batch that holds a row, as far as batches are known."""
        return self._starts[max(0, int(np.searchsorted(self._starts, row, side="right")) - 1)]

    def values_from(self, row: int, column: str) -> Iterator[tuple[int, pa.Array]]:
        """(first row, values), from the batch that holds a row."""
        if row < 0:
            raise ValueError(f"row {row:,} is gone")
        for start, batch in self._from(row):
            yield start, batch.column(column)

    def _from(self, row: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        """(first row, batch), from the one that holds a row, or from the first of a stream."""
        if not self._is_file:
            yield from self._streamed()
            return
        number = max(0, int(np.searchsorted(self._starts, row, side="right")) - 1)
        start = self._starts[number]
        while number < self._reader.num_record_batches:
            batch = _sound(self._reader.get_batch(number))
            if number + 1 == len(self._starts):
                self._starts.append(start + batch.num_rows)
            if row < start + batch.num_rows:
                yield start, batch
            start, number = start + batch.num_rows, number + 1

    def _streamed(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        start = 0
        for batch in self._opened():
            yield start, _sound(batch)
            start += batch.num_rows


def _sound(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch; raises ValueError where its offsets lie, which would end the process."""
    batch.validate(full=True)
    return batch


ARROW = TableContainer("arrow", ArrowReader)
