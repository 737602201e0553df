"""A transport whose rows are held by the workers of an executor: M numbers a pass are sent.

A worker keeps its rows, and what is cached of a pass over them, from call to call; each call says
at which potential that was, so that a new worker in place of a lost one makes it again.
"""

import itertools
import os
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray
from sortal.tasks.executor.base import Held, Part
from sortal.tasks.memory import free_memory
from sortal.tasks.threads import ThreadPool
from sortal.tasks.transport.cached_kernel import CachedKernel, FullKernel
from sortal.tasks.transport.exact_pass import (
    Columns,
    Problem,
    Storing,
    Sums,
    added_rows,
    block_rows,
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
    """Makes what a worker holds of a part: its rows, ready for passes over `texts` (M, d)."""

    texts: FloatArray

    def __call__(self, part: Part) -> "RowsHeld":
        """Read the part."""
        return RowsHeld(part, self.texts)


class RowsHeld:
    """The rows of a part, a share of them where a pass is over a sample, and a cached kernel."""

    def __init__(self, part: Part, texts: FloatArray) -> None:
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._texts = torch.from_numpy(texts.copy()).to(self._device)
        self._threads = ThreadPool(self._device).__enter__()
        self._block_size = block_rows(len(texts), self._device)
        self._first = part.start
        self._rows = {1.0: share_of(part.open(), 1.0, part.start)}
        self._cached: tuple[int, CachedKernel] | None = None

    def _problem(self, epsilon: float, share: float) -> Problem:
        if share not in self._rows:
            self._rows[share] = share_of(self._rows[1.0], share, self._first)
        unused = torch.full((len(self._texts),), 1.0 / len(self._texts), device=self._device)
        return Problem(
            masses=unused,
            balance=1.0,
            rows=self._rows[share],
            texts=self._texts,
            epsilon=epsilon,
            block_size=self._block_size,
            threads=self._threads,
        )

    def added_rows(
        self, u: NDArray[np.float64], epsilon: float, share: float, cache: Caching | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What `exact_pass.added_rows` makes of the rows held; `cache`: it is cached as well."""
        problem, kernel = self._problem(epsilon, share), None
        if cache is not None:
            self._cached = None  # makes room
            kernel = (
                FullKernel(problem)
                if cache.per_row is None
                else SampledKernel(problem, cache.per_row)
            )
        found = added_rows(problem, self._tensor(u), kernel.store if kernel else None)
        if cache is not None and kernel is not None:
            self._cached = cache.number, kernel
        return found[0].cpu().numpy(), found[1].cpu().numpy()

    def cached_sums(
        self, v: NDArray[np.float64], cache: Caching, share: float
    ) -> NDArray[np.float64]:
        """`column_sums` of the kernel that is cached; where it is not, the pass is made again."""
        if self._cached is None or self._cached[0] != cache.number:
            self.added_rows(cache.u, cache.epsilon, share, cache)
        assert self._cached is not None
        return self._cached[1].column_sums(self._tensor(v)).cpu().numpy()

    def _tensor(self, values: NDArray[np.float64]) -> torch.Tensor:
        return torch.from_numpy(values.copy()).to(self._device)

    def free_memory(self) -> int:
        """Bytes for a cached kernel, by the rule of one machine, shared by the node's cores."""
        return free_memory(self._device) // 4 // (os.cpu_count() or 1)


@dataclass(frozen=True)
class SpreadProblem(Columns):
    """A `Problem` of N rows that are held by workers; `share` of them take part in a pass."""

    held: Held[RowsHeld]
    n_held: int
    epsilon: float
    share: float = 1.0

    @property
    def n_rows(self) -> int:
        """N, the rows that take part."""
        return int(np.floor(self.n_held * self.share + 1e-9))

    def sampled(self, n: int) -> "SpreadProblem":
        """The same for about `n` rows at even distances."""
        return replace(self, share=min(1.0, n / self.n_held))

    def sums(self, u: torch.Tensor, kernel: Storing | None = None) -> Sums:
        """Exact column sums at u, by one pass of which each worker caches its own part."""
        cache = kernel.cached_at(u, self.epsilon) if isinstance(kernel, SpreadKernel) else None
        found = self.held.reduce(RowsHeld.added_rows, u.numpy(), self.epsilon, self.share, cache)
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
        found = self._problem.held.reduce(
            RowsHeld.cached_sums, v.numpy(), self._cache, self._problem.share
        )
        return torch.from_numpy(np.sum(found, axis=0))
