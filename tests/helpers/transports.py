"""Small transport problems, their solutions, and how far these are from their masses."""

from typing import Any

import numpy as np

from sortal.configs.schema import TransportConfig
from sortal.tasks.transport.counterparts import cluster_mass
from sortal.tasks.transport.potential import Potential
from sortal.tasks.transport.solve import solve


def unit(n: int, dim: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def clustered(n: int, m: int, dim: int = 32, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Images and texts around shared centres, as in a CLIP space."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(8, dim))
    images = centres[rng.integers(0, 8, n)] + 0.7 * rng.normal(size=(n, dim))
    texts = centres[rng.integers(0, 8, m)] + 0.9 * rng.normal(size=(m, dim))
    sides = (images, texts)
    return tuple((x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32) for x in sides)


def solved(
    images: np.ndarray,
    texts: np.ndarray,
    *,
    masses: np.ndarray | None = None,
    start: np.ndarray | None = None,
    block_size: int | None = None,
    **settings: Any,
) -> Potential:
    """The solution with these settings of `TransportConfig`; balanced where they do not say."""
    config = TransportConfig(**{"balance": 1.0, **settings})
    return solve(images, texts, config, masses=masses, start=start, block_size=block_size)


def plan_of(images: np.ndarray, texts: np.ndarray, potential: Potential) -> np.ndarray:
    """The plan (N, M), each row divided by its sum: the mass of clusters of one image each."""
    n = len(images)
    return n * cluster_mass(images, texts, potential, np.arange(n), n)


def marginal_error(images: np.ndarray, texts: np.ndarray, potential: Potential) -> float:
    columns = plan_of(images, texts, potential).mean(axis=0, dtype=np.float64)
    return np.abs(columns - potential.masses).sum()
