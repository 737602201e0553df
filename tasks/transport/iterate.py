"""Finding the potential: exact passes that judge, and an inner model that does the iterations."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from sortal.storage.rows import ArrayRows, FloatArray, Rows
from sortal.tasks.transport.acceleration import Evaluation, Outcome, accelerate
from sortal.tasks.transport.cached_kernel import Kept, Kernel, Model
from sortal.tasks.transport.exact_pass import Problem, Sums, column_sums
from sortal.tasks.transport.sampled_kernel import ENTRY_BYTES, Entries

_INNER_TOL = 0.3
_STALE = 0.5
_ANNEAL = 4.0
_LOOSE = 0.05
_FEW = 20  # one row in so many makes a first guess
_FEWEST_A_COLUMN = 0.5  # of those rows, and 256 in all: fewer are not worth it
_FEWEST = 256
_MOST_A_COLUMN = 4
_ENTRIES_A_ROW = 128
_FEWEST_ENTRIES = 16


@dataclass(frozen=True)
class Limits:
    """When to stop (L1 error `tol`, `max_iter` evaluations); bytes for what is kept of a pass."""

    tol: float
    max_iter: int
    budget: int


@dataclass(frozen=True)
class Fitted:
    """The potential u = g / epsilon of shape (M,), and an exact account of it."""

    u: torch.Tensor
    sums: torch.Tensor
    error: float
    n_iter: int
    n_passes: int


def fit(problem: Problem, start: torch.Tensor, limits: Limits) -> Fitted:
    """Potential whose exact column sums are within `tol` (L1) of what is asked of them.

    Alternates one exact float32 pass over all rows with an inner solve on what is kept of it,
    corrected to agree with the pass. Where the budget holds less than 16 entries a row, or the
    inner model does not halve the error, every (further) evaluation is exact. A cold solve of
    many rows begins with a few of them. `n_iter` counts evaluations of the column sums, exact
    or inner.
    """
    if not problem.balance or not limits.max_iter:
        return judge(problem, start)
    guess = _first_guess(problem, start, limits)
    kept = _kernel(problem, limits.budget)
    if kept is None:
        return _exact(problem, guess, limits)
    return _with_model(problem, guess, kept, limits)


def _unjudged(u: torch.Tensor, n_iter: int = 0) -> Fitted:
    return Fitted(u, u, float("inf"), n_iter=n_iter, n_passes=0)


def _first_guess(problem: Problem, start: torch.Tensor, limits: Limits) -> Fitted:
    """Where to begin: `start`, or in place of zeros a loose solve of a few rows."""
    n_rows, n_texts = problem.rows.shape[0], len(start)
    n_few = min(n_rows // _FEW, _MOST_A_COLUMN * n_texts)
    if bool(start.any()) or n_few < max(_FEWEST, _FEWEST_A_COLUMN * n_texts):
        return _unjudged(start)
    few = replace(problem, rows=spread(problem.rows, n_few))
    found = fit(few, start, replace(limits, tol=max(_LOOSE, limits.tol)))
    return _unjudged(found.u, found.n_iter)


def _kernel(problem: Problem, budget: int) -> Kernel | None:
    """What to keep of a pass: the kernel if it fits into `budget` bytes, else some entries."""
    n_rows, n_texts = problem.rows.shape[0], len(problem.texts)
    if 2 * n_rows * n_texts <= budget:
        return Kept(problem)
    a_row = min(_ENTRIES_A_ROW, budget // (ENTRY_BYTES * n_rows))
    return Entries(problem, a_row) if a_row >= _FEWEST_ENTRIES else None


def fit_sample(problem: Problem, start: torch.Tensor, sample: int, limits: Limits) -> Fitted:
    """Potential of about `sample` rows spread evenly, judged by one exact pass over all rows."""
    part = replace(problem, rows=spread(problem.rows, sample))
    fitted = fit(part, start, limits)
    return replace(judge(problem, fitted.u), n_iter=fitted.n_iter)


def judge(problem: Problem, u: torch.Tensor) -> Fitted:
    """The potential u as it is, with the exact column sums and error of one pass."""
    sums = column_sums(problem, u).values
    return Fitted(u, sums, problem.error(u, sums), n_iter=0, n_passes=1)


def _with_model(problem: Problem, best: Fitted, kept: Kernel, limits: Limits) -> Fitted:
    u, taken = best.u, None
    before, stuck, annealed = float("inf"), 0, best.n_iter > 0
    while True:
        if taken is None or _distance(u, taken) > kept.near:
            exact, taken = column_sums(problem, u, kept.take), u
        else:
            exact = column_sums(problem, u)
        error, n_passes = problem.error(u, exact.values), best.n_passes + 1
        if error < best.error:
            best = replace(best, u=u, sums=exact.values, error=error)
        best = replace(best, n_passes=n_passes)
        if best.error <= limits.tol or best.n_iter >= limits.max_iter:
            return best
        if error > _STALE * before:
            return _exact(problem, best, limits)
        plain, before, spent, leashed = problem.step(u, exact.logs), error, 1, True
        if _distance(plain, u) <= kept.leash:
            left = replace(limits, max_iter=limits.max_iter - best.n_iter - 1)
            model = Model(kept, problem, taken, (u, exact))
            inner = _inner(model, plain, max(_INNER_TOL * limits.tol, kept.share * error), left)
            plain, spent, leashed = inner.point, 1 + inner.n_evaluations, inner.leashed
        u, stuck = plain, stuck + leashed
        best = replace(best, n_iter=best.n_iter + spent)
        if leashed:
            before = float("inf")
        if stuck > 1 and not annealed:
            u, best, annealed = *_anneal(problem, u, kept, best, limits), True
            taken = None


def _distance(u: torch.Tensor, other: torch.Tensor) -> float:
    return float((u - other).abs().max())


def _inner(model: Model, start: torch.Tensor, tol: float, limits: Limits) -> Outcome:
    """Solve the model to `tol`; no further than it can be right."""
    return accelerate(
        model,
        start,
        weight=model.problem.masses,
        tol=tol,
        max_evaluations=max(1, limits.max_iter),
        leash=model.kept.leash,
    )


def _anneal(
    problem: Problem, u: torch.Tensor, kept: Kernel, best: Fitted, limits: Limits
) -> tuple[torch.Tensor, Fitted]:
    """A nearer start from a loose solve at 4 times epsilon, for potentials that have far to go."""
    warm = replace(problem, epsilon=_ANNEAL * problem.epsilon)
    loose = replace(limits, tol=_LOOSE, max_iter=limits.max_iter - best.n_iter)
    found = _with_model(warm, _unjudged(u / _ANNEAL), kept, loose)
    spent = replace(
        best, n_iter=best.n_iter + found.n_iter, n_passes=best.n_passes + found.n_passes
    )
    return found.u * _ANNEAL, spent


def _exact(problem: Problem, so_far: Fitted, limits: Limits) -> Fitted:
    """Accelerated Sinkhorn on exact passes alone, from where `so_far` ended."""
    best: list[tuple[float, Sums]] = []

    def evaluate(u: torch.Tensor) -> Evaluation:
        sums = column_sums(problem, u)
        error = problem.error(u, sums.values)
        if not best or error <= best[0][0]:
            best[:] = [(error, sums)]
        return Evaluation(problem.step(u, sums.logs), error)

    out = accelerate(
        evaluate,
        so_far.u,
        weight=problem.masses,
        tol=limits.tol,
        max_evaluations=limits.max_iter - so_far.n_iter + 1,
    )
    return Fitted(
        u=out.point,
        sums=best[0][1].values,
        error=out.evaluation.error,
        n_iter=so_far.n_iter + out.n_evaluations - 1,
        n_passes=so_far.n_passes + out.n_evaluations,
    )


def spread(rows: Rows, n: int, block_size: int = 16384) -> ArrayRows:
    """About `n` rows (at least 1) spread evenly over `rows`, in memory, float32."""
    share = min(1.0, n / rows.shape[0])
    pieces: list[FloatArray] = []
    start = 0
    for block in rows.blocks(block_size):
        edges = np.floor(np.arange(start, start + len(block) + 1) * share + 1e-9)
        pieces.append(block[np.diff(edges) > 0])
        start += len(block)
    return ArrayRows(np.concatenate(pieces))
