"""Anderson acceleration: fewer evaluations of a contraction, and never worse than plain steps."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

_DEPTH = 10  # differences that a mixed point is made of
_RESTART_RATIO = 1.5  # error over the best one from which the history is dropped
_PATIENCE = 50  # evaluations without a new best
_RIDGE = 1e-12


@dataclass(frozen=True)
class Evaluation:
    """What the map makes of a point: its image, and the error that should fall to 0."""

    image: torch.Tensor
    error: float


@dataclass(frozen=True)
class Outcome:
    """The best point seen, its evaluation, and how many evaluations were spent.

    `left_trust_region`: the iteration ended because a point was too far from the start.
    """

    point: torch.Tensor
    evaluation: Evaluation
    n_evaluations: int
    left_trust_region: bool = False


def accelerate(
    evaluate: Callable[[torch.Tensor], Evaluation],
    start: torch.Tensor,
    *,
    weight: torch.Tensor,
    tol: float,
    max_evaluations: int,
    trust_radius: float = float("inf"),
) -> Outcome:
    """Iterate x <- evaluate(x).image to an error of `tol`, by Anderson acceleration.

    Type II with 10 differences, least squares in the norm of `weight` (Walker and Ni, 2011). A
    mixed point whose error is over 1.5 times the best is dropped: the history is cleared and the
    next point is the plain step from the best one. Ends early at the first point further than
    `trust_radius` from `start` in any coordinate, where the map is no longer to be trusted, or
    after 50 evaluations without a new best.
    """
    history = _History(weight)
    best = now = Outcome(start, evaluate(start), 1)
    spent, left = 1, False
    while best.evaluation.error > tol and spent < max_evaluations and not left:
        if spent - best.n_evaluations >= _PATIENCE:
            break
        if now.evaluation.error > _RESTART_RATIO * best.evaluation.error:
            history.clear()
            now = best
        point = history.mix(now.point, now.evaluation.image)
        spent, left = spent + 1, float((point - start).abs().max()) > trust_radius
        now = Outcome(point, evaluate(point), spent)
        if now.evaluation.error <= best.evaluation.error:
            best = now
    return replace(best, n_evaluations=spent, left_trust_region=left)


class _History:
    """The last points and residuals, and the mixed point they give."""

    def __init__(self, weight: torch.Tensor) -> None:
        self._root = weight.sqrt()
        self.clear()

    def clear(self) -> None:
        self._points: list[torch.Tensor] = []
        self._residuals: list[torch.Tensor] = []

    def mix(self, point: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        residual = image - point
        self._points = [*self._points, point][-_DEPTH - 1 :]
        self._residuals = [*self._residuals, residual][-_DEPTH - 1 :]
        if len(self._points) == 1:
            return image
        d_residual = torch.stack(self._residuals).diff(dim=0)
        d_image = d_residual + torch.stack(self._points).diff(dim=0)
        gamma = _least_squares(d_residual * self._root, residual * self._root)
        mixed = image - gamma @ d_image
        return mixed if bool(torch.isfinite(mixed).all()) else image


def _least_squares(rows: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """argmin over gamma of |right - gamma rows|, by normal equations on scaled rows."""
    scale = rows.norm(dim=1).clamp_min(1e-300)
    unit = rows / scale[:, None]
    gram = unit @ unit.T + _RIDGE * torch.eye(len(unit), dtype=rows.dtype, device=rows.device)
    return torch.linalg.solve(gram, unit @ right) / scale
