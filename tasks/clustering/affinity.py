"""How alike rows are by what they show and by the texts they are like: NTK-SC's affinity."""

import numpy as np
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray

_CELLS = 2**24  # affinities that exist at once
_LEAST = 1e-6  # of an edge, whose rows may point away from each other


class TextAffinity:
    """Finds rows that are alike, and says how much (docs/methods.md#ntk-sc).

    A_ij = (x_i . x_j) sum_k s_ik s_jk over rows x (n, d), with s = softmax(x . u / temperature)
    over texts u (M, d). Nothing n x n exists; s (n, M) does.
    """

    def __init__(self, data: FloatArray, texts: FloatArray, temperature: float) -> None:
        self._data = data
        self._texts = texts
        self._temperature = temperature
        self._shares = self._shares_of(data)

    def __call__(self, block: FloatArray, count: int) -> NDArray[np.int64]:
        """Numbers (b, k) of the rows most alike to each of `block` (b, d), the most alike first."""
        count = min(count, len(self._data))
        out = np.empty((len(block), count), dtype=np.int64)
        size = max(_CELLS // len(self._data), 1)
        for start in range(0, len(block), size):
            some = block[start : start + size]
            alike = (some @ self._data.T) * (self._shares_of(some) @ self._shares.T)
            best = np.argpartition(alike, -count, axis=1)[:, -count:]
            order = np.argsort(-np.take_along_axis(alike, best, axis=1), axis=1, kind="stable")
            out[start : start + size] = np.take_along_axis(best, order, axis=1)
        return out

    def between(self, one: NDArray[np.int32], other: NDArray[np.int32]) -> FloatArray:
        """Affinities (m,) of rows `one` (m,) and `other` (m,), above 0."""
        out = np.empty(len(one), dtype=np.float32)
        size = max(_CELLS // (self._data.shape[1] + self._shares.shape[1]), 1)
        for start in range(0, len(one), size):
            i, j = one[start : start + size], other[start : start + size]
            cosines = np.einsum("nd,nd->n", self._data[i], self._data[j])
            out[start : start + size] = cosines * np.einsum(
                "nm,nm->n", self._shares[i], self._shares[j]
            )
        return np.maximum(out, _LEAST)

    def _shares_of(self, rows: FloatArray) -> FloatArray:
        logits = rows @ self._texts.T / self._temperature
        shares: FloatArray = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return shares
