"""A random sample of the plan's entries: column sums near a pass for a few entries a row.

Sampling entries beats sampling rows: every row takes part, and its large entries are exact.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from sortal.tasks.transport.exact_pass import TINY, Problem

ENTRY_BYTES = 9  # a float32 value, an int32 column, and spare capacity
_RANDOM_ROWS = 512  # rows of random numbers, used again with their columns shifted
_SHIFT_STRIDE = 1_000_003
_SPARE_DEVIATIONS = 8.0  # capacity beyond a part's expected entries, in standard deviations


class SampledKernel:
    """Entries of the plan drawn without bias: p is kept with probability min(1, n p).

    A kept entry has the value max(p, 1/n), so that every sum has the right expectation, a row
    has about n = `per_row` entries at the most, and those above 1/n are exact. Draws depend on
    the block alone, not on threads; the rows are `first`... of a larger set.

    Entries are on the host, whatever the device, in two arrays made once: a part's own small
    arrays, thousands among a pass's large ones, would leave holes of several times their size.
    """

    trust_radius = 8.0
    reuse_radius = 0.1
    relative_residual = 0.01  # measured: a pass leaves 0.3 to 2 per cent of the error

    def __init__(self, problem: Problem, per_row: int, first: int = 0) -> None:
        self._threads = problem.threads
        self._per_row, self._offset = per_row, first
        n_rows, self._n_texts = problem.rows.shape[0], len(problem.texts)
        part_rows = min(_RANDOM_ROWS, problem.block_size, n_rows)
        draws = np.random.default_rng(0).random((part_rows, 2 * self._n_texts), np.float32)
        self._draws = torch.from_numpy(draws).to(problem.texts.device)
        spare = int(_SPARE_DEVIATIONS * (per_row / part_rows) ** 0.5) + 1
        self._row_capacity = min(self._n_texts, per_row + spare)
        self._values = np.empty(n_rows * self._row_capacity, np.float32)
        self._columns = np.empty(n_rows * self._row_capacity, np.int32)
        self._counts = np.empty(n_rows, np.int32)  # entries of each row
        self._part_rows: dict[int, int] = {}  # rows of each part, by its first row
        # A part with more entries than its capacity, by its first row: values and columns.
        self._overflow: dict[int, tuple[NDArray[np.float32], NDArray[np.int32]]] = {}
        self._parts: list[csr_matrix] = []

    def store(self, start: int, scaled: torch.Tensor, inverse: torch.Tensor) -> None:
        """Draw from the rows `start`...: the plan is `scaled` (b, M) times `inverse` (b,)."""
        self._parts = []
        parts = zip(scaled.split(len(self._draws)), inverse.split(len(self._draws)), strict=True)
        for number, (rows, factors) in enumerate(parts):
            self._draw(start + number * len(self._draws), rows, factors)

    def _draw(self, first: int, scaled: torch.Tensor, inverse: torch.Tensor) -> None:
        n_rows, n_texts = scaled.shape
        shift = (self._offset + first) * _SHIFT_STRIDE % n_texts
        floor = inverse.reciprocal() / self._per_row  # in the kernel's scale
        kept = self._draws[:n_rows, shift : shift + n_texts] * floor[:, None] < scaled
        row, column = kept.nonzero(as_tuple=True)
        values = torch.maximum(scaled[row, column], floor[row]) * inverse[row]
        self._counts[first : first + n_rows] = kept.sum(dim=1).cpu().numpy()
        self._part_rows[first] = n_rows
        self._write(first, values.cpu().numpy(), column.to(torch.int32).cpu().numpy())

    def _write(self, first: int, values: NDArray[np.float32], columns: NDArray[np.int32]) -> None:
        self._overflow.pop(first, None)
        if len(values) > self._part_rows[first] * self._row_capacity:  # a last part of few rows may
            self._overflow[first] = values, columns
            return
        place = self._place(first, len(values))
        self._values[place], self._columns[place] = values, columns

    def _place(self, first: int, n_entries: int) -> slice:
        return slice(first * self._row_capacity, first * self._row_capacity + n_entries)

    def _part(self, first: int) -> csr_matrix:
        """The kept entries of a part's rows; they are not copied."""
        n_rows = self._part_rows[first]
        pointers = np.zeros(n_rows + 1, np.int32)
        np.cumsum(self._counts[first : first + n_rows], out=pointers[1:])
        place = self._place(first, int(pointers[-1]))
        own = self._values[place], self._columns[place]
        values, columns = self._overflow.get(first, own)
        return csr_matrix((values, columns, pointers), shape=(n_rows, self._n_texts))

    def column_sums(self, v: torch.Tensor) -> torch.Tensor:
        """Sums of the plan's columns, for columns scaled by v: (M,), float64."""
        return self.added_rows(v) * v

    def added_rows(self, v: torch.Tensor) -> torch.Tensor:
        """`column_sums` before they are scaled by v."""
        v32 = v.cpu().numpy().astype(np.float32)
        self._parts = self._parts or [self._part(first) for first in sorted(self._part_rows)]

        def part(entries: csr_matrix) -> NDArray[np.float32]:
            sums: NDArray[np.float32] = (1 / np.maximum(entries @ v32, TINY)) @ entries
            return sums

        total = np.zeros(len(v))
        for sums in self._threads.map(part, self._parts):
            total += sums
        return torch.from_numpy(total).to(v)
