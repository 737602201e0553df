"""A label table as it is opened: column names and first rows; whole columns only when asked for."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

SAMPLE = 200  # rows looked at to find out what columns are
# How many of these texts are names of images.
Knows = Callable[[list[str]], int]


@dataclass(frozen=True)
class Table:
    """`names` is None where the table has no header. `read` gives columns by number, as strings.

    `lost` says in a few words which rows could not be read, once `read` was called.
    """

    names: list[str] | None
    sample: list[list[str]]
    read: Callable[[list[int]], list[pa.Array]]
    lost: Callable[[], str | None] = lambda: None

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.names) if self.names is not None else max(map(len, self.sample), default=0)

    def column(self, number: int) -> list[str]:
        """A column of the sample."""
        return [row[number] for row in self.sample if number < len(row)]
