"""Lloyd's iterations on rows that workers hold: K sums and counts a part and iteration are sent."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sortal.configs.errors import UsageError
from sortal.configs.executor import Products
from sortal.storage.rows import FloatArray
from sortal.tasks.arrays import normalise
from sortal.tasks.clustering.lloyd import CHUNK, Lloyd, nearest, on_gpu, sums_of
from sortal.tasks.executor.base import Held, Part

if TYPE_CHECKING:
    from sortal.tasks.devices.rows import RowsOnDevice

_BLOCK = 16384
_SPARE = 64  # rows a part proposes for empty clusters, beside one for each
_numbers = itertools.count()


class Assigned(NamedTuple):
    """What a part adds up to: sums (K, d), counts (K,), inertia, and rows that changed cluster."""

    sums: NDArray[np.float64]
    counts: NDArray[np.int64]
    inertia: float
    n_changed: int


class Step(NamedTuple):
    """An iteration by a number of its own, and its centres (K, d)."""

    number: int
    centres: FloatArray


@dataclass(frozen=True)
class HoldRows:
    """Makes what a worker holds of a part: those of its rows that a fit works on.

    `wanted` are their numbers in all rows, ascending.
    """

    wanted: NDArray[np.int64]
    spherical: bool
    precision: Products = "float32"

    def __call__(self, part: Part) -> "FitRows":
        """Read the part."""
        first, last = np.searchsorted(self.wanted, [part.start, part.stop])
        inside = self.wanted[first:last] - part.start
        rows, start = part.open(), 0
        pieces: list[FloatArray] = [np.empty((0, rows.shape[1]), np.float32)]
        for block in rows.blocks(_BLOCK):
            if not np.isfinite(block).all():
                raise UsageError("vectors must be finite, got NaN or infinity; embed them again")
            here = inside[(inside >= start) & (inside < start + len(block))] - start
            pieces.append(normalise(block[here]) if self.spherical else block[here])
            start += len(block)
        return FitRows(np.concatenate(pieces), int(first), self.precision)


class FitRows:
    """Rows `first`... of a fit, and their clusters since the last iteration."""

    def __init__(self, data: FloatArray, first: int, precision: Products = "float32") -> None:
        self._data, self._first, self._precision = data, first, precision
        self._there: RowsOnDevice | None = None
        self._labels = np.full(len(data), -1, dtype=np.int32)
        self._number = -1

    def take(self, numbers: NDArray[np.int64]) -> FloatArray:
        """Those of the fit's rows `numbers` (ascending) that are held here."""
        inside = (numbers >= self._first) & (numbers < self._first + len(self._data))
        return self._data[numbers[inside] - self._first]

    def assign(self, step: Step) -> Assigned:
        """The nearest centre of each row."""
        self._before = self._labels
        self._there = self._there or on_gpu(self._data, len(step.centres), self._precision)
        self._labels, self._squared = (
            self._there.nearest(step.centres) if self._there else nearest(self._data, step.centres)
        )
        self._number = step.number
        return self._added(len(step.centres))

    def farthest(
        self, step: Step, count: int
    ) -> tuple[FloatArray, NDArray[np.int64], NDArray[np.int32]]:
        """The `count` rows farthest from their centres: squared distances, numbers, clusters."""
        self._at(step)
        rows = np.argsort(-self._squared, kind="stable")[:count]
        return self._squared[rows], rows + self._first, self._labels[rows]

    def move(self, step: Step, moved: dict[int, int]) -> Assigned:
        """The same as `assign`, with some rows (of all parts) in other clusters."""
        self._at(step)
        for row, cluster in moved.items():
            if 0 <= row - self._first < len(self._data):
                self._labels[row - self._first] = cluster
                self._squared[row - self._first] = 0.0
        return self._added(len(step.centres))

    def _at(self, step: Step) -> None:
        if self._number != step.number:  # a worker in place of a lost one
            self.assign(step)

    def _added(self, n_clusters: int) -> Assigned:
        sums = np.zeros((n_clusters, self._data.shape[1]))
        for start in range(0, len(self._data), CHUNK):
            block = slice(start, start + CHUNK)
            sums += sums_of(self._data[block], self._labels[block], n_clusters)
        return Assigned(
            sums,
            np.bincount(self._labels, minlength=n_clusters),
            float(self._squared.sum(dtype=np.float64)),
            int((self._labels != self._before).sum()),
        )


class HeldData:
    """The rows of a fit as far as seeding needs them: how many, and some of them by number."""

    def __init__(self, held: Held[FitRows], n_rows: int) -> None:
        self._held, self._n_rows = held, n_rows

    def __len__(self) -> int:
        return self._n_rows

    def __getitem__(self, numbers: NDArray[np.int64]) -> FloatArray:
        return np.concatenate(self._held.reduce(FitRows.take, numbers))


class SpreadLloyd(Lloyd):
    """Lloyd's algorithm on rows that are held; it has no `labels`."""

    def __init__(self, held: Held[FitRows], centres: FloatArray, spherical: bool) -> None:
        super().__init__(np.empty((0, centres.shape[1]), np.float32), centres, spherical)
        self._held = held

    def _assign(self) -> bool:
        step = Step(next(_numbers), np.ascontiguousarray(self.centres))
        parts = self._held.reduce(FitRows.assign, step)
        counts = np.sum([part.counts for part in parts], axis=0)
        if (counts == 0).any() and (moved := self._for_empty(step, counts)):
            parts = self._held.reduce(FitRows.move, step, moved)
        self._sums = np.sum([part.sums for part in parts], axis=0)
        self._counts = np.sum([part.counts for part in parts], axis=0)
        self.inertia = float(sum(part.inertia for part in parts))
        return any(part.n_changed for part in parts)

    def _for_empty(self, step: Step, counts: NDArray[np.int64]) -> dict[int, int]:
        """For every empty cluster the farthest row of a cluster that has others: row -> cluster."""
        empty = np.flatnonzero(counts == 0)
        found = self._held.reduce(FitRows.farthest, step, len(empty) + _SPARE)
        queue = iter(_by_distance(found))
        moved: dict[int, int] = {}
        for cluster in empty.tolist():
            row = next(((row, own) for row, own in queue if counts[own] > 1), None)
            if row is None:
                break
            counts[row[1]] -= 1
            counts[cluster] += 1
            moved[row[0]] = cluster
            self.n_empty += 1
        return moved


def _by_distance(
    found: Sequence[tuple[FloatArray, NDArray[np.int64], NDArray[np.int32]]],
) -> list[tuple[int, int]]:
    """(row, its cluster), the farthest first, of equal ones the first row."""
    squared, rows, labels = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.lexsort((rows, -squared))
    return list(zip(rows[order].tolist(), labels[order].tolist(), strict=True))
