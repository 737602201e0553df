"""Losses of heads: pure functions on probabilities p, q of shape (b, C), rows of which sum to 1."""

import torch
from torch import Tensor
from torch.nn import functional

EPSILON = 1e-12  # under the logarithm: two sure and opposite rows must not give infinity


def consistency(p: Tensor, q: Tensor) -> Tensor:
    """-mean_i log(p_i . q_i): both name the same cluster, and surely.

    TAC's L_con between the two heads (METHODS.md 2.4), SIC's between neighbours (7.5).
    """
    return -(p * q).sum(dim=1).clamp_min(EPSILON).log().mean()


def entropy(p: Tensor) -> Tensor:
    """Entropy in nats of the mean row: log C when clusters are used alike, 0 when one is used."""
    mean = p.mean(dim=0).clamp_min(EPSILON)
    return -(mean * mean.log()).sum()


def distillation(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """TAC's cluster-level InfoNCE between a and b (METHODS.md 2.4).

    Columns of both are 2C unit vectors z. D = mean_k -log(exp(z_k . z_k+ / T) /
    sum_{l != k} exp(z_k . z_l / T)), where z_k+ is the same column of the other matrix.
    """
    columns = functional.normalize(torch.cat([a.T, b.T]), dim=1)
    n_columns = len(columns)
    itself = torch.eye(n_columns, dtype=torch.bool, device=a.device)
    similarities = (columns @ columns.T / temperature).masked_fill(itself, -torch.inf)
    partner = torch.arange(n_columns, device=a.device).roll(n_columns // 2)
    return functional.cross_entropy(similarities, partner)


def cross_entropy(q: Tensor, labels: Tensor) -> Tensor:
    """-mean_i log q_i,label(i): SIC's term on semantic pseudo-labels (METHODS.md 7.5).

    `labels` of shape (b,) are int64.
    """
    return functional.nll_loss(q.clamp_min(EPSILON).log(), labels)
