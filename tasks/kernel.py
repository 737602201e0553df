"""The kernel of a share of the rows, kept in float16: column sums for the price of reading it."""

import os
from pathlib import Path

import numpy as np
import torch

from tasks.anderson import Evaluation
from tasks.sinkhorn import TINY, Problem, Sums


class Kept:
    """Rows of the kernel kept in float16: an inner model of the column sums, cheap to evaluate.

    A kept row is exp(z - max z + SHIFT), so what is lost is below 2e-12 of the row's largest
    entry. `fraction` of the rows is kept, evenly spread whatever the block size.
    """

    def __init__(self, problem: Problem, n_kept: int) -> None:
        n_rows, device = problem.rows.shape[0], problem.texts.device
        self._fraction = min(1.0, n_kept / n_rows)
        shape = self.rows_before(n_rows), len(problem.texts)
        self._kernel = torch.empty(shape, dtype=torch.float16, device=device)
        self.problem = problem

    @property
    def complete(self) -> bool:
        """Whether every row is kept."""
        return self._fraction >= 1.0

    def rows_before(self, row: int) -> int:
        """How many of the rows 0..row-1 are kept."""
        return int(np.floor(row * self._fraction + 1e-9))

    def take(self, start: int, scaled: torch.Tensor) -> None:
        """Keep a share of `scaled` = exp(z - max z + SHIFT); `start` is the block's first row."""
        edges = np.floor(np.arange(start, start + len(scaled) + 1) * self._fraction + 1e-9)
        chosen = torch.from_numpy(np.flatnonzero(np.diff(edges)))
        place = slice(int(edges[0]), int(edges[-1]))
        if len(chosen) == len(scaled):
            self._kernel[place].copy_(scaled)
        else:
            self._kernel[place].copy_(scaled[chosen.to(scaled.device)])

    def column_sums(self, v: torch.Tensor) -> torch.Tensor:
        """Sums over kept rows of the plan's columns, for kernel columns scaled by v: (M,)."""
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

    def model(self, u: torch.Tensor, exact: Sums) -> "Model":
        """The inner model that agrees with `exact` at u, the potential of the last pass."""
        return Model(self, self.problem, u, exact)


class Model:
    """Column sums near u: exact ones at u times how the kept rows' sums change from u."""

    def __init__(self, kept: Kept, problem: Problem, u: torch.Tensor, exact: Sums) -> None:
        self._kept, self._problem, self._u = kept, problem, u
        here = kept.column_sums(torch.ones_like(u))
        self._seen = here > TINY
        self._correction = exact.logs - here.clamp_min(TINY).log()
        self._exact = exact

    def __call__(self, u: torch.Tensor) -> Evaluation:
        """Sinkhorn step and marginal error at u, by the model.

        A column no kept row sees is taken to grow as its own factor: rows barely notice it.
        """
        move = u - self._u
        sums = self._kept.column_sums(torch.exp(move - move.mean()))
        seen = sums.clamp_min(TINY).log() + self._correction
        logs = torch.where(self._seen, seen, self._exact.logs + move)
        values = logs.exp()
        return Evaluation(self._problem.step(u, logs), self._problem.error(u, values))


def free_memory(device: str) -> int:
    """Bytes that can be had now, on the device or in this machine or its control group."""
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        free = int(fields["MemAvailable"].split()[0]) * 1024
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and used.exists() and (text := limit.read_text().strip()) != "max":
        free = min(free, int(text) - int(used.read_text()))
    return max(free, 0)
