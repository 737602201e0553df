"""Counterparts and masses of clusters: each a softmax with a solved transport's one vector."""

import numpy as np
import torch
from numpy.typing import NDArray

from sortal.configs.schema import Weighting
from sortal.storage.rows import FloatArray, Rows, as_rows
from sortal.tasks.arrays import normalise
from sortal.tasks.transport.exact_pass import block_rows
from sortal.tasks.transport.potential import Potential


def _similarities(block: FloatArray, texts: FloatArray) -> torch.Tensor:
    x = np.require(block, dtype=np.float32, requirements=["C", "W"])
    y = np.require(texts, dtype=np.float32, requirements=["C", "W"])
    return torch.from_numpy(x) @ torch.from_numpy(y).T


def _plan(similarities: torch.Tensor, potential: Potential) -> torch.Tensor:
    """Rows of the plan, each divided by its sum: softmax_j((s_j + g_j) / epsilon)."""
    u = torch.from_numpy((potential.g / potential.epsilon).astype(np.float32))
    return torch.softmax(similarities / potential.epsilon + u, dim=1)


def counterparts(
    rows: FloatArray,
    texts: FloatArray,
    potential: Potential,
    weighting: Weighting,
    values: FloatArray,
) -> FloatArray:
    """Counterparts of shape (n, d), unit rows, of images seen or unseen by the solve.

    With U = `values` of shape (M, d), which may be `texts` centred otherwise than transport saw
    them: "plan" is normalise(P U); "plan_times_similarity" is normalise((P * S) U), the reading
    x_i^u = sum_j t_ij s_ij u_j of CAE (docs/methods.md, "Counterparts"). A sum of zero stays zero.
    Works on so few rows at a time that rows x M fits a block.
    """
    size = block_rows(len(texts))
    pieces = (rows[start : start + size] for start in range(0, len(rows), size))
    return np.concatenate(
        [_counterparts_of(piece, texts, potential, weighting, values) for piece in pieces]
    )


def _counterparts_of(
    block: FloatArray,
    texts: FloatArray,
    potential: Potential,
    weighting: Weighting,
    values: FloatArray,
) -> FloatArray:
    similarities = _similarities(block, texts)
    weights = _plan(similarities, potential)
    if weighting == "plan_times_similarity":
        weights *= similarities
    # By torch: numpy's product has other bits with another number of threads.
    mixed = weights @ torch.from_numpy(np.require(values, np.float32, ["C", "W"]))
    return normalise(mixed.numpy())


def cluster_mass(
    images: Rows | FloatArray,
    texts: FloatArray,
    potential: Potential,
    labels: NDArray[np.integer],
    n_clusters: int,
) -> FloatArray:
    """Transport mass of shape (n_clusters, M) that each cluster's images send to each text.

    `labels` of shape (N,) follow the rows; an image weighs 1/N, a negative label is left out.
    """
    rows = as_rows(images)
    mass = torch.zeros(n_clusters, len(texts), dtype=torch.float32)
    clusters, start = torch.from_numpy(np.asarray(labels, dtype=np.int64)), 0
    for block in rows.blocks(block_rows(len(texts))):
        cluster = clusters[start : start + len(block)]
        counted = cluster >= 0
        plan = _plan(_similarities(block, texts), potential)
        mass.index_add_(0, cluster[counted], plan[counted])
        start += len(block)
    return (mass / rows.shape[0]).numpy()
