"""What a solved transport is: one vector, of which `counterparts` makes everything else."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

POTENTIAL = "potential.npz"


@dataclass(frozen=True)
class Potential:
    """A solved transport: the column potential and how well it balances.

    `g`, `masses` and `column_sums` have shape (M,), float64; the plan of an image x is
    softmax_j((s_j + g_j) / epsilon). `marginal_error` is the L1 distance of the column sums
    from what `balance` asks of them (balance 1: the masses), `fit_error` the same of the images
    that it was fitted on: `marginal_error` where these are all. `n_iter` counts evaluations of the
    column sums; `n_passes` of them were exact passes over the images.
    """

    g: NDArray[np.float64]
    epsilon: float
    balance: float
    masses: NDArray[np.float64]
    column_sums: NDArray[np.float64]
    n_iter: int
    n_passes: int
    marginal_error: float
    fit_error: float
    converged: bool

    def save(self, path: Path, keys: Sequence[str]) -> None:
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
                fit_error=float(file.get("fit_error", file["marginal_error"])),
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
            "fit_error": self.fit_error,
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
