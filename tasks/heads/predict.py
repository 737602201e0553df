"""A trained head on images that its training has not seen, from the weights it left behind."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from configs.errors import RunError
from configs.heads import HeadConfig
from storage.rows import FloatArray
from tasks.heads.head import METHODS
from tasks.heads.method import Method
from tasks.heads.networks import linear_head, mlp_head

WEIGHTS = "head.safetensors"
_NAMES = ("image_head", "head")  # what methods call the network that decides


class Head:
    """The probabilities of clusters under a trained head."""

    def __init__(self, method: Method, order: Tensor) -> None:
        self._method = method.eval()
        self._order = order

    @torch.no_grad()
    def two_best(self, images: FloatArray) -> NDArray[np.int64]:
        """The two most probable clusters (b, 2) of image vectors (b, d) as fusion sees them."""
        block = {"image": torch.from_numpy(images)}
        ordered = self._method.probabilities(block)[:, self._order]
        best: NDArray[np.int64] = ordered.topk(2, dim=1).indices.numpy()
        return best


def load_head(file: Path, config: HeadConfig) -> Head:
    """The head that the step `head` wrote; raises RunError for weights of an unknown make."""
    weights = load_file(file)
    order = weights.pop("order")
    method = METHODS[config.method](config)
    for name in _NAMES:
        own = {
            key.removeprefix(f"{name}."): value
            for key, value in weights.items()
            if key.startswith(f"{name}.")
        }
        if own:
            setattr(method, name, _network(own, len(order)))
            return Head(method, order)
    raise RunError(f"{file} must hold a head, got only {', '.join(weights)}; make the run again")


def _network(weights: dict[str, Tensor], n_clusters: int) -> nn.Sequential:
    width, dim = weights["0.weight"].shape
    seed = torch.Generator()
    deep = "3.weight" in weights
    network = mlp_head(dim, n_clusters, seed, width) if deep else linear_head(dim, n_clusters, seed)
    network.load_state_dict(weights)
    return network
