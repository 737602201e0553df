"""Models of the column sums near an exact pass: cheap to evaluate, right to first order.

What is cached of a pass is the kernel of all rows in float16 where it fits into memory, else a
random sample of the plan's entries.
"""

from typing import Protocol

import torch

from sortal.tasks.transport.acceleration import Evaluation
from sortal.tasks.transport.exact_pass import TINY, Columns, Problem, Sums


class CachedKernel(Protocol):
    """What is cached of a pass, so that column sums near its potential need no further pass.

    Radii are changes of the potential u = g / epsilon in any coordinate. `trust_radius`: beyond
    it the sums are no longer to be trusted. `reuse_radius`: within it the cache is as good as a
    new one. `relative_residual`: the share of an exact error below which an inner solve gains
    nothing.
    """

    trust_radius: float
    reuse_radius: float
    relative_residual: float

    def store(self, start: int, scaled: torch.Tensor, inverse: torch.Tensor) -> None:
        """Cache the rows from `start` on: the plan is `scaled` (b, M) times `inverse` (b,)."""

    def column_sums(self, v: torch.Tensor) -> torch.Tensor:
        """Sums of the plan's columns, for columns scaled by v: (M,), float64."""


class HeldKernel(CachedKernel, Protocol):
    """A kernel of rows that are here."""

    def added_rows(self, v: torch.Tensor) -> torch.Tensor:
        """`column_sums` before they are scaled by v."""


class FullKernel:
    """The kernel of all rows in float16.

    A row is exp(z - max z + SHIFT), so what is lost is below 2e-12 of the row's largest entry.
    """

    trust_radius = 20.0
    reuse_radius = 1.0
    relative_residual = 0.0

    def __init__(self, problem: Problem) -> None:
        shape = problem.rows.shape[0], len(problem.texts)
        self._kernel = torch.empty(shape, dtype=torch.float16, device=problem.texts.device)
        self._block_size, self._threads = problem.block_size, problem.threads

    def store(self, start: int, scaled: torch.Tensor, inverse: torch.Tensor) -> None:
        """Cache `scaled` = exp(z - max z + SHIFT); `start` is the block's first row."""
        self._kernel[start : start + len(scaled)].copy_(scaled)

    def column_sums(self, v: torch.Tensor) -> torch.Tensor:
        """Sums of the plan's columns, for kernel columns scaled by v: (M,), float64."""
        return self.added_rows(v) * v

    def added_rows(self, v: torch.Tensor) -> torch.Tensor:
        """`column_sums` before they are scaled by v."""
        v32 = v.float()

        def part(start: int) -> torch.Tensor:
            half = self._kernel[start : start + self._block_size]
            block = self._threads.buffer(len(half), len(v)).copy_(half)
            return torch.mv(block.T, torch.mv(block, v32).reciprocal_())

        total = torch.zeros_like(v)
        for sums in self._threads.map(part, range(0, len(self._kernel), self._block_size)):
            total += sums
        return total


class ColumnSumModel:
    """Column sums near u: the exact ones at u, times how the cached sums change from u.

    `cached_at` is the potential of the pass of which `kernel` was cached; `u` and `exact` are a
    later potential (or the same) and the exact sums there.
    """

    def __init__(
        self,
        kernel: CachedKernel,
        problem: Columns,
        cached_at: torch.Tensor,
        u: torch.Tensor,
        exact: Sums,
    ) -> None:
        self._kernel, self._problem = kernel, problem
        self._cached_at, self._u, self._exact = cached_at, u, exact
        here = kernel.column_sums(self._scale(u))
        self._is_cached = here > TINY
        self._correction = exact.logs - here.clamp_min(TINY).log()

    def _scale(self, u: torch.Tensor) -> torch.Tensor:
        change = u - self._cached_at
        return torch.exp(change - change.mean())

    def __call__(self, u: torch.Tensor) -> Evaluation:
        """Sinkhorn step and marginal error at u, by the model.

        A column of which nothing is cached is taken to grow as its own factor: rows barely notice.
        """
        sums = self._kernel.column_sums(self._scale(u))
        cached = sums.clamp_min(TINY).log() + self._correction
        logs = torch.where(self._is_cached, cached, self._exact.logs + u - self._u)
        return Evaluation(self._problem.step(u, logs), self._problem.error(u, logs.exp()))
