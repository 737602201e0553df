"""Rows: a matrix of vectors read by blocks, so that N x d never has to be in memory."""

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
_BLOCK = 16384


@runtime_checkable
class Rows(Protocol):
    """A matrix of shape (n_rows, dim) that can be streamed any number of times, in one order."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, dim)."""

    def blocks(self, size: int) -> Iterator[FloatArray]:
        """Consecutive blocks of at most `size` rows, float32, C-contiguous."""


class ArrayRows:
    """`Rows` over an array in memory (or a memory map), converted to float32 a block at a time."""

    def __init__(self, array: NDArray[np.floating]) -> None:
        self._array = array

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, dim)."""
        return int(self._array.shape[0]), int(self._array.shape[1])

    def blocks(self, size: int) -> Iterator[FloatArray]:
        """Consecutive blocks of at most `size` rows."""
        for start in range(0, len(self._array), size):
            yield np.ascontiguousarray(self._array[start : start + size], dtype=np.float32)


def as_rows(vectors: "Rows | NDArray[np.floating]") -> Rows:
    """`vectors` itself if it already streams, else an `ArrayRows` over it."""
    return ArrayRows(vectors) if isinstance(vectors, np.ndarray) else vectors


def is_stored(rows: Rows) -> bool:
    """Whether another process can read `rows`: small when pickled, and a part of it readable."""
    return bool(getattr(rows, "is_stored", hasattr(rows, "between")))


def rows_between(rows: Rows, start: int, stop: int) -> Rows:
    """The rows `start` to `stop` of stored ones."""
    between: Callable[[int, int], Rows] = rows.between  # type: ignore[attr-defined]
    return between(start, stop)


def take_rows(rows: Rows | FloatArray, numbers: NDArray[np.int64]) -> FloatArray:
    """Rows `numbers` (ascending) of shape (len(numbers), dim), in one streamed pass."""
    rows = as_rows(rows)
    out = np.empty((len(numbers), rows.shape[1]), dtype=np.float32)
    start = 0
    for block in rows.blocks(_BLOCK):
        first, last = np.searchsorted(numbers, [start, start + len(block)])
        out[first:last] = block[numbers[first:last] - start]
        start += len(block)
    return out


class SomeRows:
    """`Rows` of others, by their numbers (ascending), read in one pass over these."""

    def __init__(self, rows: Rows, numbers: NDArray[np.int64]) -> None:
        self._rows, self._numbers = rows, numbers

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, dim)."""
        return len(self._numbers), self._rows.shape[1]

    def blocks(self, size: int) -> Iterator[FloatArray]:
        """Consecutive blocks of at most `size` rows."""
        start = 0
        for block in self._rows.blocks(size) if len(self._numbers) else ():
            first, last = np.searchsorted(self._numbers, [start, start + len(block)])
            if last > first:
                yield block[self._numbers[first:last] - start]
            start += len(block)


def rebatched(pieces: Iterator[FloatArray], size: int) -> Iterator[FloatArray]:
    """The rows of `pieces` in blocks of `size`, the last of which may be smaller."""
    held: list[FloatArray] = []
    count = 0
    for fresh in pieces:
        piece = fresh
        while count + len(piece) >= size:
            cut = size - count
            yield np.concatenate([*held, piece[:cut]]) if held else piece[:cut]
            held, count, piece = [], 0, piece[cut:]
        if len(piece):
            held.append(piece)
            count += len(piece)
    if held:
        yield np.concatenate(held)


def read_all(rows: Rows) -> FloatArray:
    """The full matrix of shape (n_rows, dim), float32. Only for sets known to be small."""
    out = np.empty(rows.shape, dtype=np.float32)
    start = 0
    for block in rows.blocks(_BLOCK):
        out[start : start + len(block)] = block
        start += len(block)
    return out
