"""The rows of a table, so many a shard, each copied when asked for.

A slice of Arrow's travels to another process with the whole table.
"""

import math
from collections.abc import Sequence
from typing import overload

import pyarrow as pa


class Slices(Sequence[pa.Table]):
    """Consecutive slices of `table` of at most `size` rows."""

    def __init__(self, table: pa.Table, size: int) -> None:
        self._table, self._size = table, size

    def __len__(self) -> int:
        return math.ceil(self._table.num_rows / self._size)

    @overload
    def __getitem__(self, number: int) -> pa.Table: ...
    @overload
    def __getitem__(self, number: slice) -> list[pa.Table]: ...
    def __getitem__(self, number: int | slice) -> pa.Table | list[pa.Table]:
        if isinstance(number, slice):
            return [self[each] for each in range(len(self))[number]]
        if not 0 <= number < len(self):
            raise IndexError(number)
        rows = self._table.slice(number * self._size, self._size)
        return rows.take(pa.array(range(rows.num_rows)))
