"""What a solved transport gives: plans, counterparts and masses, each a softmax with one vector."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from storage.rows import FloatArray, Rows, as_rows
from tasks.centring import normalise
from tasks.sinkhorn import block_rows

Weighting = Literal["plan", "plan_times_similarity"]


@dataclass(frozen=True)
class Potential:
    """A solved transport: the column potential and how well it balances.

    `g`, `masses` and `column_sums` have shape (M,), float64; the plan of an image x is
    softmax_j((s_j + g_j) / epsilon). `marginal_error` is the L1 distance of the column sums
    from what `balance` asks of them (balance 1: the masses). `n_iter` counts evaluations of the
    column sums; `n_passes` of them were exact passes over all images.
    """

    g: NDArray[np.float64]
    epsilon: float
    balance: float
    masses: NDArray[np.float64]
    column_sums: NDArray[np.float64]
    n_iter: int
    n_passes: int
    marginal_error: float
    converged: bool

    def save(self, path: Path, keys: Sequence[str] = ()) -> None:
        """Write an .npz file; `keys` are the texts' keys, for warm starts."""
        np.savez(path, **vars(self), keys=np.asarray(list(keys), dtype=np.str_))

    @classmethod
    def load(cls, path: Path) -> "Potential":
        """Read what `save` wrote."""
        with np.load(path) as file:
            arrays = {name: file[name] for name in ("g", "masses", "column_sums")}
            return cls(
                **arrays,
                epsilon=float(file["epsilon"]),
                balance=float(file["balance"]),
                n_iter=int(file["n_iter"]),
                n_passes=int(file["n_passes"]),
                marginal_error=float(file["marginal_error"]),
                converged=bool(file["converged"]),
            )

    @property
    def facts(self) -> dict[str, Any]:
        """JSON-able figures: how it converged and how evenly texts are used (log M at most)."""
        used = self.column_sums[self.column_sums > 0]
        return {
            "n_iter": self.n_iter,
            "n_passes": self.n_passes,
            "marginal_error": self.marginal_error,
            "converged": self.converged,
            "column_entropy": float(-(used * np.log(used)).sum()),
            "column_deviation": float(np.abs(self.column_sums - self.masses).sum()),
        }


def match_potential(
    g: NDArray[np.floating], old_keys: Sequence[str], keys: Sequence[str]
) -> NDArray[np.float64]:
    """A start of shape (len(keys),) for new texts from the potential of old ones.

    A key that was not there gets the mean of those that were; 0 where none was.
    """
    known = dict(zip(old_keys, np.asarray(g, dtype=np.float64), strict=True))
    kept = [known[key] for key in keys if key in known]
    default = float(np.mean(kept)) if kept else 0.0
    return np.array([known.get(key, default) for key in keys], dtype=np.float64)


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
