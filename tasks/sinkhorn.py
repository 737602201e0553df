"""Entropic transport by its column potential alone: what a solver needs, and nothing N x M.

Works on torch tensors; `tasks/transport.py` is the room's front door, docs/transport.md the why.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from configs.errors import UsageError
from storage.rows import FloatArray, Rows

_TINY = 1e-30
_BLOCK_ELEMENTS = 1 << 20


@dataclass(frozen=True)
class Problem:
    """max <P, S> + epsilon H(P) over plans whose rows sum to 1/N and whose columns lean to masses.

    `masses` has shape (M,), float64, positive, sum 1; `balance` = rho / (rho + epsilon).
    """

    rows: Rows
    texts: torch.Tensor
    masses: torch.Tensor
    epsilon: float
    balance: float
    block_size: int

    def target(self, g: torch.Tensor) -> torch.Tensor:
        """Column sums that the potential g of shape (M,) asks for: b exp(-g / rho), sum 1."""
        pull = (1.0 - self.balance) / (self.balance * self.epsilon) if self.balance else 0.0
        return torch.softmax(self.masses.log() - pull * g, dim=0)

    def step(self, g: torch.Tensor, log_sums: torch.Tensor) -> torch.Tensor:
        """One Sinkhorn step: balance * (g + epsilon log(b / column sums)), mean removed."""
        g = self.balance * (g + self.epsilon * (self.masses.log() - log_sums))
        return g - (self.masses @ g)


@dataclass(frozen=True)
class Sums:
    """Column sums of the plan of shape (M,), float64, and their logarithms (never -inf)."""

    values: torch.Tensor
    logs: torch.Tensor


def block_rows(n_texts: int) -> int:
    """Rows a block, so that a block of similarities stays in the processor's cache."""
    return max(16, min(4096, _BLOCK_ELEMENTS // max(n_texts, 1)))


def logits(
    block: torch.Tensor, texts: torch.Tensor, h: torch.Tensor, epsilon: float
) -> torch.Tensor:
    """(S + g) / epsilon of shape (b, M), where h = g / epsilon in float32."""
    return torch.addmm(h, block, texts.T, alpha=1.0 / epsilon)


def finite_block(block: FloatArray, start: int) -> FloatArray:
    """The block itself; `UsageError` when it holds NaN or infinity. `start` is its first row."""
    if not np.isfinite(block.sum(dtype=np.float64)):
        bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
        row = start + int(bad[0]) if len(bad) else start
        raise UsageError(
            f"image vectors must be finite, got NaN or infinity in row {row}; embed it again"
        )
    return block


def column_sums(problem: Problem, g: torch.Tensor) -> Sums:
    """One exact streaming pass: column sums of the plan that the potential g makes."""
    texts, n_rows = problem.texts, problem.rows.shape[0]
    h = (g / problem.epsilon).to(texts.dtype)
    sums = torch.zeros(len(texts), dtype=torch.float64, device=texts.device)
    top = torch.full((len(texts),), -torch.inf, device=texts.device)
    start = 0
    for block in problem.rows.blocks(problem.block_size):
        x = torch.from_numpy(finite_block(block, start)).to(texts.device)
        z = logits(x, texts, h, problem.epsilon)
        z -= z.amax(dim=1, keepdim=True)
        torch.maximum(top, z.amax(dim=0), out=top)
        z.exp_()
        sums += (z.sum(dim=1).reciprocal() @ z).double()
        start += len(block)
    sums /= n_rows
    floor = top.double() - np.log(n_rows)
    return Sums(sums, torch.where(sums > _TINY, sums.clamp_min(_TINY).log(), floor))


def as_masses(masses: NDArray[np.floating] | None, n_texts: int) -> NDArray[np.float64]:
    """Column masses of shape (M,) with sum 1; uniform where None. Raises `UsageError`."""
    if masses is None:
        return np.full(n_texts, 1.0 / n_texts)
    b = np.asarray(masses, dtype=np.float64)
    if b.shape != (n_texts,) or not np.isfinite(b).all() or (b <= 0).any():
        raise UsageError(
            f"masses must be {n_texts} positive finite numbers, got shape {b.shape}; "
            "leave out the texts that should carry nothing"
        )
    return b / b.sum()
