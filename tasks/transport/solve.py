"""Solving a transport: the column potential of images on texts, from checked input to figures."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from sortal.configs.errors import RunError, UsageError
from sortal.configs.schema import TransportConfig
from sortal.storage.rows import FloatArray, Rows, as_rows, read_all
from sortal.tasks.devices.arithmetic import Arithmetic
from sortal.tasks.executor.base import Part
from sortal.tasks.executor.current import executor
from sortal.tasks.memory import free_memory
from sortal.tasks.threads import ThreadPool
from sortal.tasks.transport.exact_pass import Problem, block_rows, len_of_share, share_of
from sortal.tasks.transport.fit import fit
from sortal.tasks.transport.iterate import Fitted, Limits, judge
from sortal.tasks.transport.potential import Potential
from sortal.tasks.transport.spread import AnyProblem, HoldRows, RowsHeld, SpreadProblem

log = logging.getLogger("sortal")

_POT_LIMIT = 4_000_000
_MOST = 1 << 30  # bytes of a cached kernel; more gains little where a pass is as dear (docs)


def solve(
    images: Rows | FloatArray,
    texts: FloatArray,
    config: TransportConfig,
    *,
    masses: NDArray[np.floating] | None = None,
    start: NDArray[np.floating] | None = None,
    device: str = "cpu",
    block_size: int | None = None,
) -> Potential:
    """Entropic transport of N images onto M texts (unit vectors of shape (N, d) and (M, d)).

    Rows sum to 1/N; columns are drawn to `masses` of shape (M,) (None: uniform) as strongly as
    `config.balance` says: 0 is softmax retrieval, 1 is balanced transport, in between a KL
    penalty of weight rho = epsilon * balance / (1 - balance). Stops when the L1 error of the
    column sums is at most `config.tol`, or after `config.max_iter` iterations. Of more than
    `config.fit_rows` images so many, at even distances, are fitted to `tol`; the column sums and
    their error are then those of one pass over all.

    `start` of shape (M,) is a potential g to start from. `block_size`: images held at once.

    Raises `UsageError` on empty or non-finite input, `RunError` when `config.strict` and not
    converged.
    """
    rows = as_rows(images)
    texts = _checked_texts(texts, rows)
    columns = _checked_masses(masses, len(texts))
    parts = executor().parts(rows) if config.solver == "sinkhorn" else None
    with ThreadPool(device) as threads:
        given = _Given(rows, texts, columns, config, device, block_size, threads, parts)
        potential = _potential(_fitted(given, start), columns, config)
    _check_convergence(potential, config)
    return potential


@dataclass(frozen=True)
class _Given:
    """What is to be solved, and where: `parts` are of rows that an executor's workers hold."""

    rows: Rows
    texts: FloatArray
    masses: NDArray[np.float64]
    config: TransportConfig
    device: str
    block_size: int | None
    threads: ThreadPool
    parts: Sequence[Part] | None

    @contextmanager
    def problem(
        self, share: float = 1.0, once: bool = False
    ) -> Iterator[tuple[AnyProblem, Limits]]:
        """The problem of a share of the rows, at even distances, and the limits of its solution.

        `once`: for one pass.
        """
        config = self.config
        if self.parts is None:
            yield self._here(share), _limits(config, self.device)
            return
        with executor().hold(HoldRows(self.texts, config, share, once), self.parts) as held:
            problem = SpreadProblem(
                masses=torch.from_numpy(self.masses),
                balance=config.balance,
                held=held,
                texts=torch.from_numpy(self.texts),
                n_rows=len_of_share(self.parts[-1].stop, share),
                epsilon=config.epsilon,
                threads=self.threads,
            )
            budget = config.memory_budget
            if budget is None:
                budget = min(held.reduce(RowsHeld.free_memory)) * len(self.parts)
            yield problem, Limits(config.tol, config.max_iter, budget)

    def _here(self, share: float) -> Problem:
        return Problem(
            masses=torch.from_numpy(self.masses).to(self.device),
            balance=self.config.balance,
            rows=self.rows if share == 1.0 else share_of(self.rows, share),
            texts=torch.from_numpy(self.texts).to(self.device),
            epsilon=self.config.epsilon,
            block_size=self.block_size or block_rows(len(self.texts), self.device),
            threads=self.threads,
            arithmetic=Arithmetic.on(self.device, self.config.precision, self.config.compile),
        )


def _fitted(given: _Given, start: NDArray[np.floating] | None) -> Fitted:
    """The potential, fitted on no more rows than the configuration says, and judged by all."""
    config, n_rows = given.config, given.rows.shape[0]
    share = min(1.0, config.fit_rows / n_rows) if config.balance and config.max_iter else 1.0
    with given.problem(share) as (problem, limits):
        if config.solver == "pot" and isinstance(problem, Problem):
            found = _fit_pot(problem, config)
        else:
            found = fit(problem, _start(problem, start), limits)
    if share == 1.0:
        return found
    with given.problem(once=True) as (problem, _):
        judged = judge(problem, found.u)
    return replace(judged, n_iter=found.n_iter, n_passes=found.n_passes + 1, fit_error=found.error)


def _start(problem: AnyProblem, g: NDArray[np.floating] | None) -> torch.Tensor:
    """u = g / epsilon to start from; zero where there is none, or no need of one."""
    if g is None or problem.balance == 0:
        return torch.zeros_like(problem.masses)
    start = _checked_start(g, len(problem.masses)) / problem.epsilon
    return torch.from_numpy(start).to(problem.masses)


def _limits(config: TransportConfig, device: str) -> Limits:
    budget = config.memory_budget
    if budget is None:
        budget = free_memory(device) // 4
        budget = min(budget, _MOST) if device == "cpu" else budget
    return Limits(tol=config.tol, max_iter=config.max_iter, memory_budget=budget)


def _potential(fitted: Fitted, masses: NDArray[np.float64], config: TransportConfig) -> Potential:
    reached = fitted.error if fitted.fit_error is None else fitted.fit_error
    return Potential(
        g=config.epsilon * fitted.u.cpu().numpy(),
        epsilon=config.epsilon,
        balance=config.balance,
        masses=masses,
        column_sums=fitted.sums.cpu().numpy(),
        n_iter=fitted.n_iter,
        n_passes=fitted.n_passes,
        marginal_error=fitted.error,
        fit_error=reached,
        converged=reached <= config.tol,
    )


def _fit_pot(problem: Problem, config: TransportConfig) -> Fitted:
    """The same potential from POT's log-domain solver; the reference for small problems."""
    import ot

    (n_rows, _), n_texts = problem.rows.shape, len(problem.texts)
    if n_rows * n_texts > _POT_LIMIT or problem.balance not in (0.0, 1.0):
        raise UsageError(
            f"solver 'pot' needs images x texts <= {_POT_LIMIT:,} and balance 0 or 1, got "
            f"{n_rows * n_texts:,} and {problem.balance:g}; use solver 'sinkhorn'"
        )
    u, n_iter = torch.zeros_like(problem.masses), 0
    if problem.balance and config.max_iter:
        x = read_all(problem.rows).astype(np.float64)
        _, record = ot.bregman.sinkhorn_log(
            np.full(n_rows, 1.0 / n_rows),
            problem.masses.cpu().numpy(),
            -x @ problem.texts.double().cpu().numpy().T,
            problem.epsilon,
            numItermax=config.max_iter,
            stopThr=config.tol / 10,
            log=True,
            warn=False,
        )
        u, n_iter = torch.from_numpy(record["log_v"]).to(problem.masses), int(record["niter"])
    return replace(judge(problem, u - problem.masses @ u), n_iter=n_iter)


def _check_convergence(potential: Potential, config: TransportConfig) -> None:
    """Where it has not converged: a warning, or an error if `config.strict`."""
    if potential.converged:
        return
    message = (
        f"transport must reach a marginal error of {config.tol:g}, got "
        f"{potential.fit_error:.2g} after {potential.n_iter} iterations; "
        "raise max_iter, epsilon or tol"
    )
    if config.strict:
        raise RunError(message)
    log.warning(message)


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


def _checked_masses(masses: NDArray[np.floating] | None, n_texts: int) -> NDArray[np.float64]:
    if masses is None:
        return np.full(n_texts, 1.0 / n_texts)
    b = np.asarray(masses, dtype=np.float64)
    if b.shape != (n_texts,) or not np.isfinite(b).all() or (b <= 0).any():
        raise UsageError(
            f"masses must be {n_texts} positive finite numbers, got shape {b.shape}, smallest "
            f"{b.min(initial=np.inf):g}; leave out the texts that should carry nothing"
        )
    return b / b.sum()


def _checked_start(g: NDArray[np.floating], n_texts: int) -> NDArray[np.float64]:
    start = np.array(g, dtype=np.float64)
    if start.shape != (n_texts,) or not np.isfinite(start).all():
        raise UsageError(
            f"start must be {n_texts} finite numbers, got shape {start.shape}; "
            "match it with match_potential"
        )
    return start
