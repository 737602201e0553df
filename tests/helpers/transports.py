"""Small transport problems, and how far a solution is from its masses."""

import numpy as np

from sortal.tasks.transport.counterparts import plan_block
from sortal.tasks.transport.potential import Potential


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


def marginal_error(images: np.ndarray, texts: np.ndarray, potential: Potential) -> float:
    columns = plan_block(images, texts, potential).mean(axis=0, dtype=np.float64)
    return np.abs(columns - potential.masses).sum()
