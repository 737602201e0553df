"""Entropic transport by its column potential alone: exact passes over the rows, nothing N x M.

Works on torch tensors. `solve.py` checks the input first; docs/transport.md has the derivation.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from sortal.configs.errors import UsageError
from sortal.storage.rows import ArrayRows, FloatArray, Rows
from sortal.tasks.devices.arithmetic import EXACT, Arithmetic
from sortal.tasks.executor.base import ALIGNED
from sortal.tasks.progress import progress
from sortal.tasks.threads import ThreadPool

TINY = 1e-30  # float32 column sums below this count as 0
_BLOCK_ELEMENTS = 1 << 20  # images x texts of a block that stays in a core's share of cache ...
_DEVICE_ELEMENTS = 1 << 27  # ... or that fills an accelerator
_BLOCK = 16384  # rows read at a time
_PROGRESS_ELEMENTS = 1_000_000_000  # images x texts from which a pass shows its progress


@dataclass(frozen=True)
class Columns:
    """Target of the column sums of a plan whose rows sum to 1/N: `masses`, as `balance` says.

    `masses` has shape (M,), float64, positive, sum 1; `balance` = rho / (rho + epsilon) for a KL
    penalty of weight rho on the columns. Potentials are in units of epsilon here: u = g / epsilon,
    shape (M,), float64.
    """

    masses: torch.Tensor
    balance: float

    def target(self, u: torch.Tensor) -> torch.Tensor:
        """Column sums that the potential u asks for: b exp(-epsilon u / rho), sum 1."""
        decay = (1.0 - self.balance) / self.balance if self.balance else 0.0
        return torch.softmax(self.masses.log() - decay * u, dim=0)

    def error(self, u: torch.Tensor, sums: torch.Tensor) -> float:
        """L1 distance of the column sums from the target; 0 where `balance` is 0."""
        return float((sums - self.target(u)).abs().sum()) if self.balance else 0.0

    def step(self, u: torch.Tensor, log_sums: torch.Tensor) -> torch.Tensor:
        """One Sinkhorn step: balance * (u + log(b / column sums)), its b-mean removed."""
        u = self.balance * (u + self.masses.log() - log_sums)
        return u - self.masses @ u


class Storing(Protocol):
    """What stores something of each block of a pass."""

    def store(self, start: int, scaled: torch.Tensor, inverse: torch.Tensor) -> None:
        """The block from row `start` on: the plan is `scaled` (b, M) times `inverse` (b,)."""


@dataclass(frozen=True)
class Problem(Columns):
    """max <P, S> + epsilon H(P) over plans of N images onto M texts.

    `texts` has shape (M, d), float32.
    """

    rows: Rows
    texts: torch.Tensor
    epsilon: float
    block_size: int
    threads: ThreadPool
    arithmetic: Arithmetic = EXACT

    @property
    def n_rows(self) -> int:
        """N."""
        return self.rows.shape[0]

    def sums(self, u: torch.Tensor, kernel: "Storing | None" = None) -> "Sums":
        """Exact column sums at u, by one pass of which `kernel` stores what it needs."""
        return column_sums(self, u, kernel.store if kernel else None)


@torch.no_grad()
def dense_plan(
    scores: torch.Tensor, columns: Columns, epsilon: float, tol: float, max_iter: int
) -> torch.Tensor:
    """Rows of the plan of a score matrix (n, M) in memory, each divided by its sum.

    max <P, S> + epsilon H(P) as in `Problem`, for mini-batches: the same step, no blocks. Stops
    when the L1 error of the column sums is at most `tol`, or after `max_iter` steps.
    """
    z = scores.double() / epsilon
    u = torch.zeros_like(columns.masses)
    for _ in range(max_iter if columns.balance else 0):
        log_sums = (z + u).log_softmax(dim=1).logsumexp(dim=0) - np.log(len(z))
        if columns.error(u, log_sums.exp()) <= tol:
            break
        u = columns.step(u, log_sums)
    return (z + u).softmax(dim=1).to(scores.dtype)


@dataclass(frozen=True)
class Sums:
    """Column sums of the plan of shape (M,), float64, and their logarithms (never -inf)."""

    values: torch.Tensor
    logs: torch.Tensor


def block_rows(n_texts: int, device: str = "cpu") -> int:
    """Rows a block: one that stays in a core's share of cache, or fills an accelerator.

    On a CPU a power of two up to `ALIGNED`, so that parts of the rows have the same blocks.
    """
    if device != "cpu":
        return max(16, min(65536, _DEVICE_ELEMENTS // max(n_texts, 1)))
    rows = max(16, min(ALIGNED, _BLOCK_ELEMENTS // max(n_texts, 1)))
    return 1 << (rows.bit_length() - 1)


def finite_blocks(rows: Rows, size: int) -> Iterator[tuple[int, FloatArray]]:
    """(first row, block) over the rows. Raises `UsageError` at NaN or infinity."""
    start = 0
    for block in rows.blocks(size):
        if not np.isfinite(block.sum(dtype=np.float64)):
            bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
            row = start + (int(bad[0]) if len(bad) else 0)
            raise UsageError(f"image vectors must be finite, got NaN or inf in row {row}; re-embed")
        yield start, block
        start += len(block)


def _pass_progress(n_rows: int, n_texts: int) -> AbstractContextManager[Callable[[int], None]]:
    """Progress of a pass, where it takes long enough to be shown."""
    if n_rows * n_texts < _PROGRESS_ELEMENTS:
        return nullcontext(lambda _: None)
    return progress("transport, one pass", n_rows, "images")


def column_sums(
    problem: Problem,
    u: torch.Tensor,
    store: Callable[[int, torch.Tensor, torch.Tensor], None] | None = None,
) -> Sums:
    """One exact streaming pass: column sums of the plan of u.

    `store(first row, kernel, inverse)` is given each block's exp(z - max z + SHIFT), of shape
    (b, M), and one over its rows' sums, (b,).
    """
    with _pass_progress(problem.n_rows, len(problem.texts)) as advance:
        sums, top = added_rows(problem, u, store, advance)
    return sums_of(sums, top, problem.n_rows)


def added_rows(
    problem: Problem,
    u: torch.Tensor,
    store: Callable[[int, torch.Tensor, torch.Tensor], None] | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums over rows that each sum to 1, and the largest entry's logarithm, of every column.

    Sums are float32 inside a block and float64 across blocks, added in the blocks' order.
    """
    texts, threads, u32 = problem.texts, problem.threads, u.float()
    arithmetic = problem.arithmetic

    def part(item: tuple[int, FloatArray]) -> tuple[torch.Tensor, torch.Tensor, int]:
        start, block = item
        x = torch.from_numpy(np.require(block, requirements=["C", "W"])).to(texts.device)
        out = threads.buffer(len(x), len(texts))
        z = arithmetic.added(u32, x, texts, 1.0 / problem.epsilon, out)  # S / epsilon + u
        found = arithmetic.softmax(z, store is not None)
        if store and found.scaled is not None:
            store(start, found.scaled, found.inverse)
        return found.sums, found.top, len(x)

    sums = torch.zeros_like(u)
    top = torch.full_like(u, -torch.inf)
    for sum_, top_, size in threads.map(part, finite_blocks(problem.rows, problem.block_size)):
        sums += sum_
        top = torch.maximum(top, top_)
        advance(size)
    return sums, top


def sums_of(sums: torch.Tensor, top: torch.Tensor, n_rows: int) -> Sums:
    """Column sums of the plan, whose rows sum to 1/N, from what all rows add up to.

    A sum too small for float32 is replaced by the column's largest entry: finite at any epsilon.
    """
    sums = sums / n_rows
    logs = torch.where(sums > TINY, sums.clamp_min(TINY).log(), top - np.log(n_rows))
    return Sums(sums, logs)


def evenly_spaced(rows: Rows, n: int) -> ArrayRows:
    """About `n` rows (at least 1) at even distances in `rows`, in memory, float32."""
    return share_of(rows, min(1.0, n / rows.shape[0]))


def len_of_share(n_rows: int, share: float) -> int:
    """How many of the first `n_rows` are in `share_of`."""
    return int(np.floor(n_rows * share + 1e-9))


def share_of(rows: Rows, share: float, first: int = 0) -> ArrayRows:
    """A share of `rows` at even distances, in memory; they are rows `first`... of a larger set."""
    pieces: list[FloatArray] = [np.empty((0, rows.shape[1]), np.float32)]
    start = first
    for block in rows.blocks(_BLOCK):
        edges = np.floor(np.arange(start, start + len(block) + 1) * share + 1e-9)
        pieces.append(block[np.diff(edges) > 0])
        start += len(block)
    return ArrayRows(np.concatenate(pieces))
