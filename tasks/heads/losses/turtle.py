"""TURTLE's two levels (docs/methods.md#turtle): classifiers that follow labels, and their error."""

from typing import NamedTuple

import torch
from torch import Tensor

BETAS, SMALL = (0.9, 0.999), 1e-8  # Adam's


class Adam(NamedTuple):
    """What Adam remembers of weights (C, d + 1), and how many steps it took, (1,)."""

    first: Tensor
    second: Tensor
    taken: Tensor

    @classmethod
    def of(cls, weights: Tensor) -> "Adam":
        """Before the first step."""
        return cls(torch.zeros_like(weights), torch.zeros_like(weights), weights.new_zeros(1))


def scores(rows: Tensor, weights: Tensor) -> Tensor:
    """w z of rows (b, d): (b, C), for weights (C, d + 1), the last column of which is the bias."""
    return rows @ weights[:, :-1].T + weights[:, -1]


def disagreement(rows: Tensor, weights: Tensor, labels: Tensor) -> Tensor:
    """CE(w z, tau): mean_i -sum_c tau_ic log softmax_c(w z_i), for labels tau (b, C)."""
    return -(labels * torch.log_softmax(scores(rows, weights), dim=1)).sum(dim=1).mean()


@torch.no_grad()
def descend(weights: Tensor, state: Adam, rows: Tensor, labels: Tensor, rate: float) -> None:
    """One step of Adam on `disagreement`, in place: its gradient is (softmax(w z) - tau)ᵀ z / b."""
    wrong = (scores(rows, weights).softmax(dim=1) - labels) / len(rows)
    slope = torch.cat([wrong.T @ rows, wrong.sum(dim=0)[:, None]], dim=1)
    state.taken.add_(1)
    state.first.lerp_(slope, 1 - BETAS[0])
    state.second.lerp_(slope.square(), 1 - BETAS[1])
    first = state.first / (1 - BETAS[0] ** state.taken)
    second = state.second / (1 - BETAS[1] ** state.taken)
    weights.sub_(rate * first / (second.sqrt() + SMALL))
