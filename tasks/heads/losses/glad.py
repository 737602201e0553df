"""GLAD's losses (METHODS.md 6): pure functions on the rows of one mini-batch, of size B at most.

Representations h (b, d) have unit rows, so that products are cosines.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from sortal.tasks.heads.losses.common import EPSILON


def divergence(target: Tensor, labels: Tensor) -> Tensor:
    """L_kl: mean_i KL(q_i || y_i) of constant targets q and predicted labels y, both (b, K)."""
    ratio = target.clamp_min(EPSILON).log() - labels.clamp_min(EPSILON).log()
    return (target * ratio).sum(dim=1).mean()


def transport_loss(scores: Tensor, target: Tensor) -> Tensor:
    """L_OT: mean_i sum_j ((1 - S_ij) Q_ij + Q_ij ln Q_ij) of cosines S and a constant plan Q.

    Both (b, K). Only the first part has a gradient, through the cosines.
    """
    entropy = torch.xlogy(target, target)
    return ((1.0 - scores) * target + entropy).sum(dim=1).mean()


def similarities(modalities: Sequence[Tensor]) -> Tensor:
    """s_ij = mean_m cos(z_i^m, z_j^m), (b, b), over the modalities that both i and j have.

    `modalities` are (b, dim) of unit rows, zero where missing; 0 for two that share none.
    """
    total = torch.stack([rows @ rows.T for rows in modalities]).sum(dim=0)
    known = torch.stack([rows.any(dim=1).to(rows.dtype) for rows in modalities])
    return total / (known.T @ known).clamp_min(1.0)


def local_alignment(
    common: Tensor, modality: Tensor, weights: Tensor, temperature: float, *, positive: bool
) -> Tensor:
    """L_LSA of one modality: -1/2 mean_i log(e^{C_ii / T} / sum_{j != i} e^{(1 - s_ij) C_ij / T}).

    C_ij = cos(h_i, h_j^m) of the common representation (b, d) and the modality's (b, d), and s
    `weights` (b, b). Eq. 14 subtracts e^{1/T} from the sum over all j, to take out the term of i
    itself; here that term is left out. `positive` adds e^{C_ii / T} to the denominator, as in
    InfoNCE.
    """
    cosines = common @ modality.T / temperature
    own = cosines.diagonal()
    itself = torch.eye(len(own), dtype=torch.bool, device=own.device)
    others = ((1.0 - weights) * cosines).masked_fill(itself, -torch.inf)
    if positive:
        others = torch.cat([others, own[:, None]], dim=1)
    return 0.5 * (others.logsumexp(dim=1) - own).mean()
