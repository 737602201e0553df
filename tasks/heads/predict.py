"""A trained head on images that its training has not seen, from the weights it left behind."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from sortal.configs.errors import UsageError
from sortal.configs.heads import HeadConfig
from sortal.storage.rows import FloatArray
from sortal.tasks.heads.method import Method
from sortal.tasks.heads.registry import method_of


class Head:
    """The probabilities of clusters under a trained head."""

    def __init__(self, method: Method, order: Tensor, sees_fused: bool = False) -> None:
        self._method = method.eval()
        self._order = order
        self._sees_fused = sees_fused

    @torch.no_grad()
    def two_best(self, modalities: dict[str, FloatArray], fused: FloatArray) -> NDArray[np.int64]:
        """The two most probable clusters (b, 2) of images, by decreasing probability.

        Their modalities (b, d) are as fusion's are, `fused` (b, d') is what it makes of them.
        Raises `UsageError` where the head reads none.
        """
        seen = {**modalities, "image": fused} if self._sees_fused else modalities
        block = {
            name: torch.from_numpy(rows)
            for name, rows in seen.items()
            if name in self._method.deciding
        }
        if not block:
            raise UsageError(
                f"an image must have one of the modalities {', '.join(self._method.deciding)} that "
                f"the run's head reads, got {', '.join(modalities)}; make a run with the modality "
                "image"
            )
        ordered = self._method.probabilities(block)[:, self._order]
        best: NDArray[np.int64] = ordered.topk(2, dim=1).indices.numpy()
        return best


def load_head(file: Path, config: HeadConfig) -> Head:
    """The head that the step `head` wrote; raises RunError for weights of an unknown make."""
    weights = load_file(file)
    order = weights.pop("order")
    method = method_of(config)
    method.restore(weights)
    return Head(method, order, config.image == "fused")
