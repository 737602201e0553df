"""A random sample of the plan's entries: column sums near a pass for a few entries a row.

Keeping entries beats keeping rows: every row takes part, and its large entries are exact.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from sortal.tasks.transport.exact_pass import TINY, Problem

ENTRY_BYTES = 9  # a float32 value, an int32 column, and spare room
_DRAWN_ROWS = 512  # rows of random numbers, used again with their columns shifted
_STRIDE = 1_000_003
_SPARE = 8.0  # room for a part's entries beyond their expected number, in standard deviations


class Entries:
    """Entries of the plan drawn without bias: p is kept with probability min(1, n p).

    A kept entry has the value max(p, 1/n), so that every sum has the right expectation, a row
    has about n entries at the most, and those above 1/n are exact. Draws depend on the
    block alone, not on threads.

    Entries are on the host, whatever the device, in two arrays made once: a part's own small
    arrays, thousands among a pass's large ones, would leave holes of several times their size.
    """

    leash = 8.0
    near = 0.1
    share = 0.01  # measured: a pass leaves 0.3 to 2 per cent of the error

    def __init__(self, problem: Problem, a_row: int) -> None:
        self.problem = problem
        self._a_row = a_row
        n_rows, n_texts = problem.rows.shape[0], len(problem.texts)
        n_drawn = min(_DRAWN_ROWS, problem.block_size, n_rows)
        draws = np.random.default_rng(0).random((n_drawn, 2 * n_texts), np.float32)
        self._draws = torch.from_numpy(draws).to(problem.texts.device)
        self._room = min(n_texts, a_row + int(_SPARE * (a_row / n_drawn) ** 0.5) + 1)  # a row
        self._values = np.empty(n_rows * self._room, np.float32)
        self._columns = np.empty(n_rows * self._room, np.int32)
        self._counts = np.empty(n_rows, np.int32)  # entries of each row
        self._sizes: dict[int, int] = {}  # rows of each part, by its first row
        self._crowded: dict[int, tuple[NDArray[np.float32], NDArray[np.int32]]] = {}
        self._parts: list[csr_matrix] = []

    def take(self, start: int, scaled: torch.Tensor, inverse: torch.Tensor) -> None:
        """Draw from the rows `start`...: the plan is `scaled` (b, M) times `inverse` (b,)."""
        self._parts = []
        parts = zip(scaled.split(len(self._draws)), inverse.split(len(self._draws)), strict=True)
        for number, (rows, share) in enumerate(parts):
            self._draw(start + number * len(self._draws), rows, share)

    def _draw(self, first: int, scaled: torch.Tensor, inverse: torch.Tensor) -> None:
        n_rows, n_texts = scaled.shape
        shift = first * _STRIDE % n_texts
        floor = inverse.reciprocal() / self._a_row  # in the kernel's scale
        kept = self._draws[:n_rows, shift : shift + n_texts] * floor[:, None] < scaled
        row, column = kept.nonzero(as_tuple=True)
        values = torch.maximum(scaled[row, column], floor[row]) * inverse[row]
        self._counts[first : first + n_rows] = kept.sum(dim=1).cpu().numpy()
        self._sizes[first] = n_rows
        self._keep(first, values.cpu().numpy(), column.to(torch.int32).cpu().numpy())

    def _keep(self, first: int, values: NDArray[np.float32], columns: NDArray[np.int32]) -> None:
        self._crowded.pop(first, None)
        if len(values) > self._sizes[first] * self._room:  # a last part of very few rows may
            self._crowded[first] = values, columns
            return
        place = slice(first * self._room, first * self._room + len(values))
        self._values[place], self._columns[place] = values, columns

    def _part(self, first: int) -> csr_matrix:
        """The kept entries of a part's rows; a view."""
        n_rows = self._sizes[first]
        pointers = np.zeros(n_rows + 1, np.int32)
        np.cumsum(self._counts[first : first + n_rows], out=pointers[1:])
        place = slice(first * self._room, first * self._room + int(pointers[-1]))
        own = self._values[place], self._columns[place]
        values, columns = self._crowded.get(first, own)
        shape = n_rows, len(self.problem.texts)
        return csr_matrix((values, columns, pointers), shape=shape)

    def column_sums(self, v: torch.Tensor) -> torch.Tensor:
        """Sums of the plan's columns, for columns scaled by v: (M,), float64."""
        v32 = v.cpu().numpy().astype(np.float32)
        self._parts = self._parts or [self._part(first) for first in sorted(self._sizes)]

        def part(entries: csr_matrix) -> NDArray[np.float32]:
            sums: NDArray[np.float32] = (1 / np.maximum(entries @ v32, TINY)) @ entries
            return sums

        total = np.zeros(len(v))
        for sums in self.problem.lanes.map(part, self._parts):
            total += sums
        return torch.from_numpy(total).to(v) * v
