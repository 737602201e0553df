"""SAC's losses: pure functions on cluster probabilities of images q and captions p, (b, C)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from sortal.tasks.heads.losses.common import EPSILON


class Pair(NamedTuple):
    """Two matrices of probabilities (b, C), row for row of the same image."""

    a: Tensor
    b: Tensor


def agreement(pair: Pair, temperature: float, scale: float) -> Tensor:
    """sigmoid(s (a_i . b_i) / T), (b,): near 1/2 where clusters differ, larger where they agree."""
    cosines = (pair.a * pair.b).sum(dim=1)
    return torch.sigmoid(scale * cosines / temperature)


def weights(own: Pair, other: Pair, *, alpha: float, temperature: float, scale: float) -> Tensor:
    """The uncertainty weights w (b,) of METHODS.md 5.4.

    w = alpha agreement(own) + (1 - alpha) agreement(other), where `own` is the pair that is
    contrasted and `other` the one of the other modality.
    """
    mine, theirs = (agreement(pair, temperature, scale) for pair in (own, other))
    return alpha * mine + (1.0 - alpha) * theirs


def contrast(pair: Pair, w: Tensor, temperature: float, *, mask_self: bool) -> Tensor:
    """D(a, b | w): weighted InfoNCE over the 2b rows of both (METHODS.md 5.4).

    A row's positive is its partner in the other matrix; all 2b rows are in the denominator, the
    row itself too unless `mask_self`. The mean over rows is weighted by w, the same for both rows
    of a pair; where all of w are 0 the loss is 0.
    """
    rows = torch.cat((pair.a, pair.b))
    similarities = rows @ rows.T / temperature
    if mask_self:
        itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
        similarities = similarities.masked_fill(itself, -torch.inf)
    partner = torch.arange(len(rows), device=rows.device).roll(len(rows) // 2)
    losses = functional.cross_entropy(similarities, partner, reduction="none")
    both = torch.cat((w, w))
    return (both * losses).sum() / both.sum().clamp_min(EPSILON)


def alignment(p: Tensor, q: Tensor, beta: float) -> Tensor:
    """L_a = beta (-mean_i log p_i . q_i) + (1 - beta) mean_c BCEwithLogits(sum_i p_ic q_ic, 1)."""
    by_image = -(p * q).sum(dim=1).clamp_min(EPSILON).log().mean()
    by_cluster = functional.softplus(-(p * q).sum(dim=0)).mean()
    return beta * by_image + (1.0 - beta) * by_cluster
