"""MCA's three alignments of images and nouns (docs/methods.md#mca-equations).

Symbols: images u (B, d) and nouns v (M, d), unit rows; probabilities q (B, C) of images and
p (M, C) of nouns, rows sum to 1. What MCA shares with SIC is in `common.py`: L_I and the
instance level are its `consistency` (of q with a neighbour's q, and with the soft target), the
semantic level is its `cross_entropy`, for q and for p.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize


class Prototypes(NamedTuple):
    """Unit prototypes of the clusters, (C, d) each: m_l of images, h_l of nouns."""

    image: Tensor
    noun: Tensor


def attention(images: Tensor, nouns: Tensor, temperature: float) -> Tensor:
    """a_ij = softmax_j(u_i . v_j / tau) over each image's own k nouns, (B, k).

    `nouns` (B, k, d) are the nearest nouns of each image.
    """
    return torch.softmax(torch.einsum("bd,bkd->bk", images, nouns) / temperature, dim=1)


def soft_target(weights: Tensor, nouns: Tensor) -> Tensor:
    """p~_i = sum_j a_ij p_j, (B, C), for attention (B, k) and probabilities (B, k, C)."""
    return torch.einsum("bk,bkc->bc", weights, nouns)


def confident(probabilities: Tensor, share: float) -> Tensor:
    """Mask (B, C) of the floor(share * B / C) rows, at least 1, of the largest q_il of each l.

    This is SIC's choice of images for a prototype, xi_c * N / C of them.
    """
    n_rows, n_clusters = probabilities.shape
    count = min(max(int(share * n_rows / n_clusters), 1), n_rows)
    chosen = probabilities.detach().topk(count, dim=0).indices
    mask = torch.zeros_like(probabilities, dtype=torch.bool)
    return mask.scatter(0, chosen, torch.ones_like(chosen, dtype=torch.bool))


def image_prototypes(images: Tensor, probabilities: Tensor, chosen: Tensor) -> Tensor:
    """m_l = normalise(sum over the chosen images i of q_il u_i), (C, d); `chosen` (B, C) a mask.

    Weighed by q_il [infer]: the embeddings are frozen, so a plain mean would give the head no
    gradient.
    """
    return normalize((probabilities * chosen).T @ images, dim=1)


def noun_prototypes(nouns: Tensor, probabilities: Tensor) -> Tensor:
    """h_l = normalise(sum over the nouns j near m_l of p_jl v_j), (C, d).

    `nouns` (C, k, d) are the nearest to each m_l, `probabilities` (C, k) their p_jl: weights of
    nouns, as q_il are of images [infer].
    """
    return normalize(torch.einsum("ck,ckd->cd", probabilities, nouns), dim=1)


def prototype_alignment(prototypes: Prototypes, temperature: float) -> Tensor:
    """L_pro: symmetric InfoNCE over clusters between m_l and h_l.

    -1/2C sum_l [log softmax_k(m_l . h_k / T)_l + log softmax_k(h_l . m_k / T)_l].
    """
    logits = prototypes.image @ prototypes.noun.T / temperature
    own = torch.arange(len(logits), device=logits.device)
    return (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2
