"""Counterparts: each image as a mixture of the semantic space's texts, by optimal transport.

A solved transport is one vector, the column potential g; everything else is a softmax with it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from configs.errors import RunError, UsageError
from configs.schema import TransportConfig
from storage.artifacts import Artifact, Written
from storage.rows import FloatArray, Rows, as_rows
from storage.vectors import vectors_of
from storage.workspace import Workspace
from tasks.centring import Centred, centre, mean_of, normalise
from tasks.sinkhorn import Problem, as_masses, block_rows, column_sums, logits
from tasks.step import step

log = logging.getLogger("sortal")

POTENTIAL = "potential.npz"
Weighting = Literal["plan", "plan_times_similarity"]
_POT_LIMIT = 4_000_000


@dataclass(frozen=True)
class Potential:
    """A solved transport: the column potential and how well it balances.

    `g`, `masses` and `column_sums` have shape (M,), float64; the plan of an image x is
    softmax_j((s_j + g_j) / epsilon). `marginal_error` is the L1 distance of the column sums
    from what `balance` asks of them (balance 1: the masses).
    """

    g: NDArray[np.float64]
    epsilon: float
    balance: float
    masses: NDArray[np.float64]
    column_sums: NDArray[np.float64]
    n_iter: int
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
                marginal_error=float(file["marginal_error"]),
                converged=bool(file["converged"]),
            )

    @property
    def facts(self) -> dict[str, Any]:
        """JSON-able figures: how it converged and how evenly texts are used (log M at most)."""
        used = self.column_sums[self.column_sums > 0]
        return {
            "n_iter": self.n_iter,
            "marginal_error": self.marginal_error,
            "converged": self.converged,
            "column_entropy": float(-(used * np.log(used)).sum()),
            "column_deviation": float(np.abs(self.column_sums - self.masses).sum()),
        }


def solve(
    images: Rows | FloatArray,
    texts: FloatArray,
    *,
    epsilon: float = 0.02,
    balance: float = 1.0,
    tol: float = 1e-4,
    max_iter: int = 500,
    masses: NDArray[np.floating] | None = None,
    g0: NDArray[np.floating] | None = None,
    strict: bool = False,
    solver: Literal["sinkhorn", "pot"] = "sinkhorn",
    block_size: int | None = None,
    device: str = "cpu",
) -> Potential:
    """Entropic transport of N images onto M texts (unit vectors of shape (N, d) and (M, d)).

    Rows sum to 1/N; columns are drawn to `masses` (default uniform) as strongly as `balance`
    says: 0 is softmax retrieval, 1 is balanced transport, in between a KL penalty of weight
    rho = epsilon * balance / (1 - balance). `g0` of shape (M,) is a warm start. Stops when the
    L1 error of the column sums is at most `tol`, or after `max_iter` iterations.

    Raises `UsageError` on empty or non-finite input, `RunError` when `strict` and not converged.
    """
    rows, texts = as_rows(images), _checked_texts(texts, as_rows(images))
    problem = Problem(
        rows=rows,
        texts=torch.from_numpy(texts).to(device),
        masses=torch.from_numpy(as_masses(masses, len(texts))).to(device),
        epsilon=epsilon,
        balance=balance,
        block_size=block_size or block_rows(len(texts)),
    )
    if solver == "pot":
        potential = _solve_pot(problem, tol, max_iter)
    else:
        start = np.zeros(len(texts)) if g0 is None or balance == 0 else _checked_start(g0, texts)
        potential = _iterate(problem, torch.from_numpy(start).to(device), tol, max_iter)
    return _flagged(potential, tol, strict)


def _iterate(problem: Problem, g: torch.Tensor, tol: float, max_iter: int) -> Potential:
    n_iter = 0
    while True:
        sums = column_sums(problem, g)
        error = float((sums.values - problem.target(g)).abs().sum()) if problem.balance else 0.0
        if error <= tol or n_iter >= max_iter:
            break
        g = problem.step(g, sums.logs)
        n_iter += 1
    return _potential(
        problem, g, sums=sums.values, n_iter=n_iter, error=error, converged=error <= tol
    )


def _potential(
    problem: Problem,
    g: torch.Tensor,
    *,
    sums: torch.Tensor,
    n_iter: int,
    error: float,
    converged: bool,
) -> Potential:
    return Potential(
        g=g.cpu().numpy(),
        epsilon=problem.epsilon,
        balance=problem.balance,
        masses=problem.masses.cpu().numpy(),
        column_sums=sums.cpu().numpy(),
        n_iter=n_iter,
        marginal_error=error,
        converged=converged,
    )


def _solve_pot(problem: Problem, tol: float, max_iter: int) -> Potential:
    """The same potential from POT's log-domain solver; the reference for small problems."""
    import ot

    (n_rows, _), n_texts = problem.rows.shape, len(problem.texts)
    if n_rows * n_texts > _POT_LIMIT or problem.balance not in (0.0, 1.0):
        raise UsageError(
            f"solver 'pot' needs images x texts <= {_POT_LIMIT:,} and balance 0 or 1, got "
            f"{n_rows * n_texts:,} and {problem.balance}; use solver 'sinkhorn'"
        )
    b = problem.masses.cpu().numpy()
    g, n_iter = np.zeros(n_texts), 0
    if problem.balance:
        x = np.concatenate(list(problem.rows.blocks(problem.block_size))).astype(np.float64)
        cost = -x @ problem.texts.double().cpu().numpy().T
        _, record = ot.bregman.sinkhorn_log(
            np.full(n_rows, 1.0 / n_rows), b, cost, problem.epsilon,
            numItermax=max_iter, stopThr=tol / 10, log=True, warn=False,
        )  # fmt: skip
        g, n_iter = problem.epsilon * record["log_v"], int(record["niter"])
        g = g - b @ g
    start = torch.from_numpy(g).to(problem.masses)
    return replace(_iterate(problem, start, tol, max_iter=0), n_iter=n_iter)


def _flagged(potential: Potential, tol: float, strict: bool) -> Potential:
    if not potential.converged:
        message = (
            f"transport must reach a marginal error of {tol:g}, got {potential.marginal_error:.2g} "
            f"after {potential.n_iter} iterations; raise max_iter, epsilon or tol"
        )
        if strict:
            raise RunError(message)
        log.warning(message)
    return potential


def _checked_texts(texts: FloatArray, rows: Rows) -> FloatArray:
    (n_rows, dim), texts = rows.shape, np.ascontiguousarray(texts, dtype=np.float32)
    if texts.ndim != 2 or not len(texts):
        raise UsageError("transport needs at least one text, got 0; widen the selection")
    if not n_rows:
        raise UsageError("transport needs at least one image, got 0; check the source")
    if texts.shape[1] != dim:
        raise UsageError(
            f"images and texts must share a dimension, got {dim} and {texts.shape[1]}; "
            "embed both with one encoder"
        )
    if not np.isfinite(texts).all():
        row = int(np.flatnonzero(~np.isfinite(texts).all(axis=1))[0])
        raise UsageError(
            f"text vectors must be finite, got NaN or infinity in row {row}; embed it again"
        )
    return texts


def _checked_start(g0: NDArray[np.floating], texts: FloatArray) -> NDArray[np.float64]:
    start = np.array(g0, dtype=np.float64)
    if start.shape != (len(texts),) or not np.isfinite(start).all():
        raise UsageError(
            f"g0 must be {len(texts)} finite numbers, got shape {start.shape}; "
            "match it with match_potential"
        )
    return start


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


def _plan(block: FloatArray, texts: FloatArray, potential: Potential) -> torch.Tensor:
    h = torch.from_numpy((potential.g / potential.epsilon).astype(np.float32))
    x = torch.from_numpy(np.ascontiguousarray(block, dtype=np.float32))
    y = torch.from_numpy(np.ascontiguousarray(texts, dtype=np.float32))
    return torch.softmax(logits(x, y, h, potential.epsilon), dim=1)


def plan_block(block: FloatArray, texts: FloatArray, potential: Potential) -> FloatArray:
    """Plan of images of shape (b, d) over texts of shape (M, d): (b, M), each row sums to 1."""
    return _plan(block, texts, potential).numpy()


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
    plan = plan_block(block, texts, potential)
    if weighting == "plan_times_similarity":
        plan *= block @ texts.T
    return normalise(plan @ (texts if mixed is None else mixed))


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
        mass.index_add_(0, label[inside], _plan(block, texts, potential)[inside])
        start += len(block)
    return (mass / rows.shape[0]).numpy()


def transport_inputs(
    workspace: Workspace, images: Artifact, space: Artifact, centred: bool
) -> tuple[Rows, FloatArray, list[str]]:
    """Image rows, text vectors of shape (M, d) and text keys as transport sees them.

    Where `centred`, images lose the mean of all images and texts the mean of the space's own.
    """
    from tasks.embedding import open_vectors

    texts, keys = space_texts(workspace, space, centred)
    rows = open_vectors(workspace, images)
    if centred:
        rows = Centred(rows, np.load(images.file(workspace, "mean.npy")))
    return rows, texts, keys


def space_texts(
    workspace: Workspace, space: Artifact, centred: bool
) -> tuple[FloatArray, list[str]]:
    """Text vectors of shape (M, d), without their own mean where `centred`, and their keys."""
    table = pq.read_table(space.file(workspace, "space.parquet"), columns=["key", "vector"])
    texts = vectors_of(table)
    return centre(texts, mean_of(texts) if centred else None), table.column("key").to_pylist()


@step("transport", version=1)
def solve_transport(
    folder: Path,
    workspace: Workspace,
    *,
    images: Artifact,
    space: Artifact,
    config: TransportConfig,
) -> Written:
    """Write `potential.npz`: the potential of `images` on the texts of `space`."""
    rows, texts, keys = transport_inputs(workspace, images, space, config.centred)
    potential = solve(
        rows,
        texts,
        epsilon=config.epsilon,
        balance=config.balance,
        tol=config.tol,
        max_iter=config.max_iter,
        strict=config.strict,
        solver=config.solver,
    )
    potential.save(folder / POTENTIAL, keys)
    return Written(rows=len(keys), facts=potential.facts)
