"""A random sample of the plan's entries: column sums near a pass for a few entries a row.

Keeping entries beats keeping rows: every row takes part, and its large entries are exact.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from tasks.sinkhorn import TINY, Problem

ENTRY_BYTES = 8  # a float32 value and an int32 column
_DRAWN_ROWS = 512  # rows of random numbers, used again with their columns shifted
_STRIDE = 1_000_003


class Entries:
    """Entries of the plan drawn without bias: p is kept with probability min(1, n p).

    A kept entry has the value max(p, 1/n), so that every sum has the right expectation, a row
    has about n entries at the most, and those above 1/n are exact. Draws depend on the
    block alone, not on threads. The entries are on the host, whatever the device.
    """

    leash = 8.0
    near = 0.1
    share = 0.01  # measured: a pass leaves 0.3 to 2 per cent of the error

    def __init__(self, problem: Problem, a_row: int) -> None:
        self.problem = problem
        self._a_row = a_row
        self._parts: dict[int, csr_matrix] = {}
        n_drawn = min(_DRAWN_ROWS, problem.block_size, problem.rows.shape[0])
        draws = np.random.default_rng(0).random((n_drawn, 2 * len(problem.texts)), np.float32)
        self._draws = torch.from_numpy(draws).to(problem.texts.device)

    def take(self, start: int, scaled: torch.Tensor, inverse: torch.Tensor) -> None:
        """Draw from the rows `start`...: the plan is `scaled` (b, M) times `inverse` (b,)."""
        parts = zip(scaled.split(len(self._draws)), inverse.split(len(self._draws)), strict=True)
        for number, (rows, share) in enumerate(parts):
            first = start + number * len(self._draws)
            self._parts[first] = self._drawn(first, rows, share)

    def _drawn(self, first: int, scaled: torch.Tensor, inverse: torch.Tensor) -> csr_matrix:
        n_rows, n_texts = scaled.shape
        shift = first * _STRIDE % n_texts
        floor = inverse.reciprocal() / self._a_row  # in the kernel's scale
        kept = self._draws[:n_rows, shift : shift + n_texts] * floor[:, None] < scaled
        row, column = kept.nonzero(as_tuple=True)
        values = torch.maximum(scaled[row, column], floor[row]) * inverse[row]
        pointers = torch.zeros(n_rows + 1, dtype=torch.int32)
        pointers[1:] = kept.sum(dim=1).cumsum(dim=0)
        parts = (values, column.to(torch.int32), pointers)
        return csr_matrix(tuple(part.cpu().numpy() for part in parts), shape=(n_rows, n_texts))

    def column_sums(self, v: torch.Tensor) -> torch.Tensor:
        """Sums of the plan's columns, for columns scaled by v: (M,), float64."""
        v32 = v.cpu().numpy().astype(np.float32)

        def part(entries: csr_matrix) -> NDArray[np.float32]:
            sums: NDArray[np.float32] = (1 / np.maximum(entries @ v32, TINY)) @ entries
            return sums

        total = np.zeros(len(v))
        for sums in self.problem.lanes.map(part, (self._parts[key] for key in sorted(self._parts))):
            total += sums
        return torch.from_numpy(total).to(v) * v
