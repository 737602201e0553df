"""Plans, counterparts and masses: each a softmax with a solved transport's one vector."""

import numpy as np
import torch
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray, Rows, as_rows
from sortal.tasks.arrays import normalise
from sortal.tasks.transport.exact_pass import block_rows
from sortal.tasks.transport.potential import Potential, Weighting


def _similarities(block: FloatArray, texts: FloatArray) -> torch.Tensor:
    x = np.require(block, dtype=np.float32, requirements=["C", "W"])
    y = np.require(texts, dtype=np.float32, requirements=["C", "W"])
    return torch.from_numpy(x) @ torch.from_numpy(y).T


def _plan(similarities: torch.Tensor, potential: Potential) -> torch.Tensor:
    u = torch.from_numpy((potential.g / potential.epsilon).astype(np.float32))
    return torch.softmax(similarities / potential.epsilon + u, dim=1)


def plan_block(block: FloatArray, texts: FloatArray, potential: Potential) -> FloatArray:
    """Plan of images of shape (b, d) over texts of shape (M, d): (b, M), each row sums to 1."""
    return _plan(_similarities(block, texts), potential).numpy()


def counterparts_block(
    block: FloatArray,
    texts: FloatArray,
    potential: Potential,
    weighting: Weighting = "plan_times_similarity",
    mixed: FloatArray | None = None,
) -> FloatArray:
    """Counterparts of shape (b, d), unit rows, of images seen or unseen by the solve.

    "plan": normalise(P U); "plan_times_similarity": normalise((P * S) U), the reading
    x_i^u = sum_j t_ij s_ij u_j of CAE (METHODS.md 3.1 B). A sum of zero stays zero. `mixed`:
    the vectors U of shape (M, d) that are mixed, where they are not `texts` as transport saw them.
    """
    similarities = _similarities(block, texts)
    plan = _plan(similarities, potential)
    if weighting == "plan_times_similarity":
        plan *= similarities
    return normalise(plan.numpy() @ (texts if mixed is None else mixed))


def counterparts(
    rows: FloatArray,
    texts: FloatArray,
    potential: Potential,
    weighting: Weighting,
    mixed: FloatArray,
) -> FloatArray:
    """`counterparts_block` of many rows, so few at a time that rows x M fits a block."""
    size = block_rows(len(texts))
    pieces = (rows[start : start + size] for start in range(0, len(rows), size))
    return np.concatenate(
        [counterparts_block(piece, texts, potential, weighting, mixed) for piece in pieces]
    )


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
    numbers, start = torch.from_numpy(np.asarray(labels, dtype=np.int64)), 0
    for block in rows.blocks(block_rows(len(texts))):
        label = numbers[start : start + len(block)]
        inside = label >= 0
        mass.index_add_(0, label[inside], _plan(_similarities(block, texts), potential)[inside])
        start += len(block)
    return (mass / rows.shape[0]).numpy()
