"""Models of the column sums near an exact pass: cheap to evaluate, right to first order.

The kernel of all rows in float16 where it fits into memory, else a sample of the plan's entries.
"""

from typing import Protocol

import torch

from sortal.tasks.transport.acceleration import Evaluation
from sortal.tasks.transport.exact_pass import TINY, Problem, Sums


class Kernel(Protocol):
    """What is kept of a pass, so that column sums near it need no pass."""

    leash: float  # how far log v may go before the sums are no longer to be trusted
    near: float  # log v within which what was kept is as good as new
    share: float  # of the exact error: what the model cannot promise to improve on

    def take(self, start: int, scaled: torch.Tensor, inverse: torch.Tensor) -> None:
        """Keep of the rows from `start` on: the plan is `scaled` (b, M) times `inverse` (b,)."""

    def column_sums(self, v: torch.Tensor) -> torch.Tensor:
        """Sums of the plan's columns, for columns scaled by v: (M,), float64."""


class Kept:
    """The kernel of all rows in float16.

    A kept row is exp(z - max z + SHIFT), so what is lost is below 2e-12 of the row's largest
    entry.
    """

    leash = 20.0
    near = 1.0
    share = 0.0

    def __init__(self, problem: Problem) -> None:
        shape = problem.rows.shape[0], len(problem.texts)
        self._kernel = torch.empty(shape, dtype=torch.float16, device=problem.texts.device)
        self.problem = problem

    def take(self, start: int, scaled: torch.Tensor, inverse: torch.Tensor) -> None:
        """Keep `scaled` = exp(z - max z + SHIFT); `start` is the block's first row."""
        self._kernel[start : start + len(scaled)].copy_(scaled)

    def column_sums(self, v: torch.Tensor) -> torch.Tensor:
        """Sums of the plan's columns, for kernel columns scaled by v: (M,), float64."""
        size, lanes, n_texts = self.problem.block_size, self.problem.lanes, len(v)
        v32 = v.float()

        def part(start: int) -> torch.Tensor:
            tile = self._kernel[start : start + size]
            wide = lanes.scratch(len(tile), n_texts).copy_(tile)
            return torch.mv(wide.T, torch.mv(wide, v32).reciprocal_())

        total = torch.zeros_like(v)
        for sums in lanes.map(part, range(0, len(self._kernel), size)):
            total += sums
        return total * v


class Model:
    """Column sums near u: exact ones at u times how the kept sums change from u.

    `taken` is the potential of the pass of which `kept` was kept, `at` is u and the exact sums.
    """

    def __init__(
        self, kept: Kernel, problem: Problem, taken: torch.Tensor, at: tuple[torch.Tensor, Sums]
    ) -> None:
        self.kept, self.problem = kept, problem
        self._taken, (self._u, self._exact) = taken, at
        here = kept.column_sums(self._scale(self._u))
        self._seen = here > TINY
        self._correction = self._exact.logs - here.clamp_min(TINY).log()

    def _scale(self, u: torch.Tensor) -> torch.Tensor:
        move = u - self._taken
        return torch.exp(move - move.mean())

    def __call__(self, u: torch.Tensor) -> Evaluation:
        """Sinkhorn step and marginal error at u, by the model.

        A column of which nothing is kept is taken to grow as its own factor: rows barely notice.
        """
        sums = self.kept.column_sums(self._scale(u))
        seen = sums.clamp_min(TINY).log() + self._correction
        logs = torch.where(self._seen, seen, self._exact.logs + u - self._u)
        values = logs.exp()
        return Evaluation(self.problem.step(u, logs), self.problem.error(u, values))
