"""Fitting a potential: where to begin, what to cache of a pass, and the way that goes with it."""

from dataclasses import replace

import torch

from sortal.tasks.transport.cached_kernel import CachedKernel, FullKernel
from sortal.tasks.transport.exact_pass import evenly_spaced
from sortal.tasks.transport.iterate import (
    LOOSE_TOL,
    Fitted,
    Limits,
    judge,
    solve_exactly,
    solve_with_kernel,
    unjudged,
)
from sortal.tasks.transport.sampled_kernel import ENTRY_BYTES, SampledKernel
from sortal.tasks.transport.spread import AnyProblem, SpreadKernel, SpreadProblem

# A cold solve begins with one row in 20, no more than 4 rows a text; fewer than half a row a text,
# or than 256 rows in all, are not worth it.
_ROWS_PER_SAMPLED_ROW = 20
_MAX_ROWS_PER_TEXT = 4
_MIN_ROWS_PER_TEXT = 0.5
_MIN_ROWS = 256
_ENTRIES_PER_ROW = 128
_MIN_ENTRIES_PER_ROW = 16


def fit(problem: AnyProblem, start: torch.Tensor, limits: Limits) -> Fitted:
    """Potential whose exact column sums are within `tol` (L1) of their target.

    Alternates one exact float32 pass over all rows with an inner solve on what is cached of it.
    Where the budget holds less than 16 entries a row, or an inner solve does not halve the error,
    every (further) evaluation is exact. A cold solve of many rows begins with a few of them.
    `n_iter` counts evaluations of the column sums, exact or inner.
    """
    if not problem.balance or not limits.max_iter:
        return judge(problem, start)
    guess = _initial_guess(problem, start, limits)
    kernel = _kernel_within(problem, limits.memory_budget)
    if kernel is None:
        return solve_exactly(problem, guess, limits)
    return solve_with_kernel(problem, guess, kernel, limits)


def _initial_guess(problem: AnyProblem, start: torch.Tensor, limits: Limits) -> Fitted:
    """`start`, or in place of zeros the solution of a few rows to a loose tolerance."""
    n_rows, n_texts = problem.n_rows, len(start)
    n_sampled = min(n_rows // _ROWS_PER_SAMPLED_ROW, _MAX_ROWS_PER_TEXT * n_texts)
    if bool(start.any()) or n_sampled < max(_MIN_ROWS, _MIN_ROWS_PER_TEXT * n_texts):
        return unjudged(start)
    found = fit(
        _sampled(problem, n_sampled), start, replace(limits, tol=max(LOOSE_TOL, limits.tol))
    )
    return unjudged(found.u, found.n_iter)


def _sampled(problem: AnyProblem, n: int) -> AnyProblem:
    if isinstance(problem, SpreadProblem):
        return problem.sampled(n)
    return replace(problem, rows=evenly_spaced(problem.rows, n))


def _kernel_within(problem: AnyProblem, memory_budget: int) -> CachedKernel | None:
    """The full kernel if it fits into the budget (bytes), else a sample of it, else None."""
    n_rows, n_texts = problem.n_rows, len(problem.masses)
    if 2 * n_rows * n_texts <= memory_budget:
        return _kernel(problem, None)
    per_row = min(_ENTRIES_PER_ROW, memory_budget // (ENTRY_BYTES * n_rows))
    return _kernel(problem, per_row) if per_row >= _MIN_ENTRIES_PER_ROW else None


def _kernel(problem: AnyProblem, per_row: int | None) -> CachedKernel:
    """The full kernel, or a sample of `per_row` entries a row."""
    if isinstance(problem, SpreadProblem):
        return SpreadKernel(problem, per_row)
    return FullKernel(problem) if per_row is None else SampledKernel(problem, per_row)
