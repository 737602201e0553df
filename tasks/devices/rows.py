"""Rows that lie on a GPU: what k-means asks of them, by torch."""

import numpy as np
import torch
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray
from sortal.tasks.devices.arithmetic import Arithmetic

_BLOCK_ELEMENTS = 1 << 27  # rows x centres that are compared at once, 512 MiB
_SUMMED = 1 << 24  # rows x dimensions that are float64 at once


class RowsOnDevice:
    """Rows (n, d), float32, on a device."""

    def __init__(self, data: FloatArray, device: str, arithmetic: Arithmetic) -> None:
        self._rows = torch.from_numpy(np.require(data, np.float32, ["C", "W"])).to(device)
        self._arithmetic = arithmetic

    def nearest(self, centres: FloatArray) -> tuple[NDArray[np.int32], FloatArray]:
        """Nearest of the centres (K, d) of each row: ids (n,) and squared distances (n,).

        Which centre it is, is found by products as the arithmetic makes them; how far, in float32.
        """
        there = torch.from_numpy(np.require(centres, np.float32, ["C", "W"])).to(self._rows.device)
        minus_half = there.square().sum(dim=1).mul_(-0.5)
        labels, squared = [], []
        for block in self._rows.split(max(1, _BLOCK_ELEMENTS // max(*there.shape))):
            own = self._arithmetic.added(minus_half, block, there, 1.0).argmax(dim=1)
            labels.append(own.int())
            squared.append((block - there[own]).square_().sum(dim=1))
        return torch.cat(labels).cpu().numpy(), torch.cat(squared).cpu().numpy()

    def sums(
        self, labels: NDArray[np.int32], n_clusters: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Sums (K, d) and counts (K,) of the rows of each cluster; every row is in one."""
        own = torch.from_numpy(labels).long().to(self._rows.device)
        totals = torch.zeros(
            (n_clusters, self._rows.shape[1]), dtype=torch.float64, device=self._rows.device
        )
        size = max(1, _SUMMED // self._rows.shape[1])
        for numbers, block in zip(own.split(size), self._rows.split(size), strict=True):
            totals.index_add_(0, numbers, block.double())
        return totals.cpu().numpy(), np.bincount(labels, minlength=n_clusters)
