"""Finding the potential: exact passes that judge, and inner solves on a cached kernel of one.

An exact pass gives the column sums and the error at a potential. The inner solve runs on a model
of the column sums, corrected to agree with that pass; its end is what the next pass judges.
"""

from dataclasses import dataclass, replace

import torch

from sortal.tasks.transport.acceleration import Evaluation, accelerate
from sortal.tasks.transport.cached_kernel import CachedKernel, ColumnSumModel
from sortal.tasks.transport.exact_pass import Sums
from sortal.tasks.transport.spread import AnyProblem

_INNER_TOL = 0.3  # of `tol`: an inner solve goes a little further than it must
_FAILED_REDUCTION = 0.5  # an inner solve that leaves more of the error than this has failed
_EPSILON_FACTOR = 4.0
LOOSE_TOL = 0.05  # L1 error of a solve that only finds a start


@dataclass(frozen=True)
class Limits:
    """When to stop (L1 error `tol`, `max_iter` evaluations), and bytes for the cached kernel."""

    tol: float
    max_iter: int
    memory_budget: int


@dataclass(frozen=True)
class Fitted:
    """The potential u = g / epsilon of shape (M,), and its exact column sums and error.

    `fit_error` is that of the rows it was fitted on, where these are not all.
    """

    u: torch.Tensor
    sums: torch.Tensor
    error: float
    n_iter: int
    n_passes: int
    fit_error: float | None = None


def unjudged(u: torch.Tensor, n_iter: int = 0) -> Fitted:
    """A potential to start from, before any exact pass; its error is infinite."""
    return Fitted(u, u, float("inf"), n_iter=n_iter, n_passes=0)


def judge(problem: AnyProblem, u: torch.Tensor) -> Fitted:
    """The potential u as it is, with the exact column sums and error of one pass."""
    sums = problem.sums(u).values
    return Fitted(u, sums, problem.error(u, sums), n_iter=0, n_passes=1)


@dataclass(frozen=True)
class _State:
    """Where the alternation of exact passes and inner solves stands before the next pass.

    `best`: the best potential judged so far, with all evaluations and passes spent until now.
    `u`: the potential to judge next.
    `cached_at`: the potential at which the kernel was cached; None where there is no cache yet.
    `error_before`: the exact error that the inner solve behind `u` began with; infinite where
    nothing can be said of the model, since `u` is not the end of an inner solve.
    `n_untrusted`: how often the trust radius has ended an inner solve, or let none begin.
    `may_scale_epsilon`: whether a loose solve at a larger epsilon may still be tried.
    """

    best: Fitted
    u: torch.Tensor
    may_scale_epsilon: bool
    cached_at: torch.Tensor | None = None
    error_before: float = float("inf")
    n_untrusted: int = 0


@dataclass(frozen=True)
class _Judged:
    """One exact pass: the sums and error at its potential u, and where the kernel is cached."""

    u: torch.Tensor
    sums: Sums
    error: float
    cached_at: torch.Tensor


@dataclass(frozen=True)
class _Proposal:
    """The next potential, the evaluations it took, and whether the trust radius was met."""

    u: torch.Tensor
    n_iter: int
    untrusted: bool


def solve_with_kernel(
    problem: AnyProblem, start: Fitted, kernel: CachedKernel, limits: Limits
) -> Fitted:
    """Alternate exact passes and inner solves on `kernel`, a cache that the passes refresh.

    Continues with exact passes alone once an inner solve does not halve the exact error.
    """
    state = _State(best=start, u=start.u, may_scale_epsilon=start.n_iter == 0)
    while True:
        judged = _judged(problem, kernel, state)
        best = _better(state.best, judged)
        if best.error <= limits.tol or best.n_iter >= limits.max_iter:
            return best
        if judged.error > _FAILED_REDUCTION * state.error_before:
            return solve_exactly(problem, best, limits)
        proposal = _proposal(problem, kernel, judged, limits, limits.max_iter - best.n_iter - 1)
        state = _advanced(state, best, judged, proposal)
        if state.may_scale_epsilon and state.n_untrusted > 1:
            state = _with_scaled_epsilon(problem, kernel, state, limits)


def _judged(problem: AnyProblem, kernel: CachedKernel, state: _State) -> _Judged:
    """An exact pass at the state's potential; the kernel is cached again where that is due."""
    u, cached_at = state.u, state.cached_at
    if cached_at is None or _distance(u, cached_at) > kernel.reuse_radius:
        sums, cached_at = problem.sums(u, kernel), u
    else:
        sums = problem.sums(u)
    return _Judged(u, sums, problem.error(u, sums.values), cached_at)


def _better(best: Fitted, judged: _Judged) -> Fitted:
    """The better of both, with one more pass to its account."""
    if judged.error < best.error:
        best = replace(best, u=judged.u, sums=judged.sums.values, error=judged.error)
    return replace(best, n_passes=best.n_passes + 1)


def _proposal(
    problem: AnyProblem,
    kernel: CachedKernel,
    judged: _Judged,
    limits: Limits,
    n_left: int,
) -> _Proposal:
    """The end of an inner solve; the plain Sinkhorn step where that is beyond the trust radius."""
    step = problem.step(judged.u, judged.sums.logs)
    if not _distance(step, judged.u) <= kernel.trust_radius:
        return _Proposal(step, n_iter=1, untrusted=True)
    inner = accelerate(
        ColumnSumModel(kernel, problem, judged.cached_at, judged.u, judged.sums),
        step,
        weight=problem.masses,
        tol=max(_INNER_TOL * limits.tol, kernel.relative_residual * judged.error),
        max_evaluations=max(1, n_left),
        trust_radius=kernel.trust_radius,
    )
    return _Proposal(inner.point, 1 + inner.n_evaluations, inner.left_trust_region)


def _advanced(state: _State, best: Fitted, judged: _Judged, proposal: _Proposal) -> _State:
    """The state in which the proposal is judged next."""
    return replace(
        state,
        best=replace(best, n_iter=best.n_iter + proposal.n_iter),
        u=proposal.u,
        cached_at=judged.cached_at,
        error_before=float("inf") if proposal.untrusted else judged.error,
        n_untrusted=state.n_untrusted + proposal.untrusted,
    )


def _with_scaled_epsilon(
    problem: AnyProblem, kernel: CachedKernel, state: _State, limits: Limits
) -> _State:
    """A start nearer to the solution, from a loose solve at 4 epsilon (epsilon scaling).

    For potentials that have far to go. The cache is overwritten by that solve.
    """
    spent = state.best
    found = solve_with_kernel(
        replace(problem, epsilon=_EPSILON_FACTOR * problem.epsilon),
        unjudged(state.u / _EPSILON_FACTOR),
        kernel,
        replace(limits, tol=LOOSE_TOL, max_iter=limits.max_iter - spent.n_iter),
    )
    best = replace(
        spent, n_iter=spent.n_iter + found.n_iter, n_passes=spent.n_passes + found.n_passes
    )
    u = found.u * _EPSILON_FACTOR
    return replace(state, best=best, u=u, cached_at=None, may_scale_epsilon=False)


def _distance(u: torch.Tensor, other: torch.Tensor) -> float:
    return float((u - other).abs().max())


def solve_exactly(problem: AnyProblem, start: Fitted, limits: Limits) -> Fitted:
    """Accelerated Sinkhorn on exact passes alone, from where `start` ended."""
    best: list[tuple[float, Sums]] = []

    def evaluate(u: torch.Tensor) -> Evaluation:
        sums = problem.sums(u)
        error = problem.error(u, sums.values)
        if not best or error <= best[0][0]:
            best[:] = [(error, sums)]
        return Evaluation(problem.step(u, sums.logs), error)

    out = accelerate(
        evaluate,
        start.u,
        weight=problem.masses,
        tol=limits.tol,
        max_evaluations=limits.max_iter - start.n_iter + 1,
    )
    return Fitted(
        u=out.point,
        sums=best[0][1].values,
        error=out.evaluation.error,
        n_iter=start.n_iter + out.n_evaluations - 1,
        n_passes=start.n_passes + out.n_evaluations,
    )
