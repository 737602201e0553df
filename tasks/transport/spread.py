"""A transport whose rows are held by the workers of an executor: M numbers a pass are sent.

A worker keeps its rows, and what is cached of a pass over them, from call to call; each call says
at which potential that was, so that a new worker in place of a lost one makes it again.
"""

import itertools
import os
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from sortal.configs.schema import TransportConfig
from sortal.storage.rows import ArrayRows, FloatArray, read_all
from sortal.tasks.devices.arithmetic import Arithmetic
from sortal.tasks.devices.at_hand import gpu
from sortal.tasks.executor.base import Held, Part
from sortal.tasks.memory import free_memory
from sortal.tasks.threads import ThreadPool
from sortal.tasks.transport.cached_kernel import FullKernel, HeldKernel
from sortal.tasks.transport.exact_pass import (
    Columns,
    Problem,
    Storing,
    Sums,
    added_rows,
    block_rows,
    len_of_share,
    share_of,
    sums_of,
)
from sortal.tasks.transport.sampled_kernel import SampledKernel

_numbers = itertools.count()


class Caching(NamedTuple):
    """What is cached of a pass: the how-manieth pass, its potential, and how many entries a row."""

    number: int
    u: NDArray[np.float64]
    epsilon: float
    per_row: int | None


@dataclass(frozen=True)
class HoldRows:
    """Makes what a worker holds of a part: a share of its rows, for passes over `texts` (M, d).

    `once`: for one pass over all of them, so they are read in it.
    """

    texts: FloatArray
    config: TransportConfig
    share: float = 1.0
    once: bool = False

    def __call__(self, part: Part) -> "RowsHeld":
        """Read the part."""
        return RowsHeld(part, self)


class RowsHeld:
    """The rows of a part, or a share of them, and a cached kernel."""

    def __init__(self, part: Part, asked: HoldRows) -> None:
        self._device, config = gpu() or "cpu", asked.config
        self._arithmetic = Arithmetic.on(self._device, config.precision, config.compile)
        self._texts = torch.from_numpy(asked.texts.copy()).to(self._device)
        self._threads = ThreadPool(self._device).__enter__()
        self._block_size = block_rows(len(self._texts), self._device)
        self._first = len_of_share(part.start, asked.share)
        rows = part.open()
        self._rows = rows if asked.once else share_of(rows, asked.share, part.start)
        self._cached: tuple[int, HeldKernel] | None = None

    def share(self, share: float) -> FloatArray:
        """A share of the rows, at even distances in those of all parts."""
        return read_all(share_of(self._rows, share, self._first))

    def _problem(self, epsilon: float) -> Problem:
        unused = torch.full((len(self._texts),), 1.0 / len(self._texts), device=self._device)
        return Problem(
            masses=unused,
            balance=1.0,
            rows=self._rows,
            texts=self._texts,
            epsilon=epsilon,
            block_size=self._block_size,
            threads=self._threads,
            arithmetic=self._arithmetic,
        )

    def added_rows(
        self, u: NDArray[np.float64], epsilon: float, cache: Caching | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What `exact_pass.added_rows` makes of the rows held; `cache`: it is cached as well."""
        problem, kernel = self._problem(epsilon), None
        if cache is not None:
            self._cached = None  # makes room
            kernel = (
                FullKernel(problem)
                if cache.per_row is None
                else SampledKernel(problem, cache.per_row, self._first)
            )
        found = added_rows(problem, self._tensor(u), kernel.store if kernel else None)
        if cache is not None and kernel is not None:
            self._cached = cache.number, kernel
        return found[0].cpu().numpy(), found[1].cpu().numpy()

    def cached_sums(self, v: NDArray[np.float64], cache: Caching) -> NDArray[np.float64]:
        """`added_rows` of the kernel that is cached; where it is not, the pass is made again."""
        if self._cached is None or self._cached[0] != cache.number:
            self.added_rows(cache.u, cache.epsilon, cache)
        assert self._cached is not None
        return self._cached[1].added_rows(self._tensor(v)).cpu().numpy()

    def _tensor(self, values: NDArray[np.float64]) -> torch.Tensor:
        return torch.from_numpy(values.copy()).to(self._device)

    def free_memory(self) -> int:
        """Bytes for a cached kernel, by the rule of one machine, shared by the node's cores."""
        return free_memory(self._device) // 4 // (os.cpu_count() or 1)


@dataclass(frozen=True)
class SpreadProblem(Columns):
    """A `Problem` of N rows that are held by workers, and of texts (M, d)."""

    held: Held[RowsHeld]
    texts: torch.Tensor
    n_rows: int
    epsilon: float
    threads: ThreadPool

    def sampled(self, n: int) -> Problem:
        """The same for about `n` rows at even distances, which are brought here."""
        rows = self.held.reduce(RowsHeld.share, min(1.0, n / self.n_rows))
        return Problem(
            masses=self.masses,
            balance=self.balance,
            rows=ArrayRows(np.concatenate(rows)),
            texts=self.texts,
            epsilon=self.epsilon,
            block_size=block_rows(len(self.texts)),
            threads=self.threads,
        )

    def sums(self, u: torch.Tensor, kernel: Storing | None = None) -> Sums:
        """Exact column sums at u, by one pass of which each worker caches its own part."""
        cache = kernel.cached_at(u, self.epsilon) if isinstance(kernel, SpreadKernel) else None
        found = self.held.reduce(RowsHeld.added_rows, u.numpy(), self.epsilon, cache)
        sums = torch.from_numpy(np.sum([each for each, _ in found], axis=0))
        top = torch.from_numpy(np.max([each for _, each in found], axis=0))
        return sums_of(sums, top, self.n_rows)


AnyProblem = Problem | SpreadProblem


class SpreadKernel:
    """What workers have cached of a pass over the rows they hold; the full kernel or a sample."""

    def __init__(self, problem: SpreadProblem, per_row: int | None) -> None:
        like = FullKernel if per_row is None else SampledKernel
        self.trust_radius = like.trust_radius
        self.reuse_radius = like.reuse_radius
        self.relative_residual = like.relative_residual
        self._problem, self._per_row = problem, per_row
        self._cache: Caching | None = None

    def cached_at(self, u: torch.Tensor, epsilon: float) -> Caching:
        """Have the next pass cached, and every later sum be of what it was at u."""
        self._cache = Caching(next(_numbers), u.numpy().copy(), epsilon, self._per_row)
        return self._cache

    def store(self, start: int, scaled: torch.Tensor, inverse: torch.Tensor) -> None:
        """Unused: workers store their own blocks."""
        raise AssertionError("a worker stores its own blocks")

    def column_sums(self, v: torch.Tensor) -> torch.Tensor:
        """Sums of the plan's columns, for columns scaled by v: (M,), float64."""
        found = self._problem.held.reduce(RowsHeld.cached_sums, v.numpy(), self._cache)
        return torch.from_numpy(np.sum(found, axis=0)) * v
