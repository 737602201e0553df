"""How much a warm start saves: transport solved cold, then again after a few new images.

Counts evaluations of the column sums, so that the figures do not depend on the machine.
`python benchmarks/warm.py --clip ../shared/clip --size 20000x2000 --new 0.01`
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from transport import clip_like, synthetic

from sortal.configs.schema import TransportConfig
from sortal.storage.rows import ArrayRows
from sortal.tasks.threads import ThreadPool
from sortal.tasks.transport.exact_pass import Problem, block_rows, column_sums
from sortal.tasks.transport.solve import solve

SETTINGS = ((0.005, 1.0), (0.01, 1.0), (0.02, 1.0), (0.02, 0.5), (0.05, 1.0))


def plain(x: np.ndarray, y: np.ndarray, epsilon: float, balance: float, tol: float) -> int:
    """Evaluations that Sinkhorn's own iteration needs from g = 0, without acceleration."""
    masses = torch.full((len(y),), 1.0 / len(y), dtype=torch.float64)
    with ThreadPool() as threads:
        problem = Problem(
            rows=ArrayRows(x),
            texts=torch.from_numpy(y),
            masses=masses,
            epsilon=epsilon,
            balance=balance,
            block_size=block_rows(len(y)),
            threads=threads,
        )
        u = torch.zeros_like(masses)
        for n_iter in range(1, 1000):
            sums = column_sums(problem, u)
            if problem.error(u, sums.values) <= tol:
                return n_iter
            u = problem.step(u, sums.logs)
    return 1000


def rows(x: np.ndarray, y: np.ndarray, new: float, tol: float) -> Iterator[str]:
    """A Markdown row a setting: plain, accelerated and warm evaluations, and exact passes."""
    old = x[: round(len(x) / (1 + new))]
    for epsilon, balance in SETTINGS:
        config = TransportConfig(epsilon=epsilon, balance=balance, tol=tol)
        cold, warm = solve(x, y, config), solve(x, y, config, start=solve(old, y, config).g)
        slow = plain(x, y, epsilon, balance, tol)
        yield (
            f"| {epsilon:g} | {balance:g} | {slow} | {cold.n_iter} ({cold.n_passes}) "
            f"| {warm.n_iter} ({warm.n_passes}) | {warm.n_iter / slow:.2f} "
            f"| {warm.n_iter / cold.n_iter:.2f} |"
        )


def main() -> None:
    """Parse, solve, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="20000x2000", help="images x texts")
    parser.add_argument("--new", type=float, default=0.01, help="share of new images")
    parser.add_argument("--clip", type=Path, help="folder of real CLIP vectors to grow from")
    parser.add_argument("--tol", type=float, default=1e-4)
    arguments = parser.parse_args()
    n, m = map(int, arguments.size.split("x"))
    x, y = clip_like(n, m, arguments.clip) if arguments.clip else synthetic(n, m)
    sys.stdout.write(
        "| epsilon | balance | plain Sinkhorn | ours, cold (passes) | ours, warm (passes) "
        "| warm / plain | warm / cold |\n|---|---|---|---|---|---|---|\n"
    )
    for line in rows(x, y, arguments.new, arguments.tol):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
