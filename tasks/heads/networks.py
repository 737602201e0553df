"""The networks of heads: from a vector to a distribution over clusters."""

import torch
from torch import Tensor, nn


def mlp_head(dim: int, n_clusters: int, generator: torch.Generator, width: int) -> nn.Sequential:
    """TAC's head: Linear - BatchNorm - ReLU - Linear - softmax, rows (b, dim) -> (b, n_clusters).

    Weights are drawn from a truncated normal of deviation 0.02 (METHODS.md 2.4); biases are 0
    [infer].
    """
    first, last = nn.Linear(dim, width), nn.Linear(width, n_clusters)
    for layer in (first, last):
        nn.init.trunc_normal_(layer.weight, std=0.02, generator=generator)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(first, nn.BatchNorm1d(width), nn.ReLU(), last, nn.Softmax(dim=1))


def projected_head(
    dim: int, n_clusters: int, generator: torch.Generator, width: int
) -> nn.Sequential:
    """SAC's text head: Linear to `width`, then TAC's head, rows (b, dim) -> (b, n_clusters)."""
    first = nn.Linear(dim, width)
    nn.init.trunc_normal_(first.weight, std=0.02, generator=generator)
    nn.init.zeros_(first.bias)
    return nn.Sequential(first, *mlp_head(width, n_clusters, generator, width))


def linear_head(dim: int, n_clusters: int, generator: torch.Generator) -> nn.Sequential:
    """SIC's head: Linear - softmax, rows (b, dim) -> (b, n_clusters); uniform as in PyTorch."""
    layer = nn.Linear(dim, n_clusters)
    bound = dim**-0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return nn.Sequential(layer, nn.Softmax(dim=1))


def linear_head_at(centres: Tensor, sharpness: float) -> nn.Sequential:
    """SIC's head that starts at `centres` mu (n_clusters, dim) as softmax_l(-a |x - mu_l|^2).

    a = `sharpness`: weight 2 a mu, bias -a |mu|^2 (METHODS.md 7.3).
    """
    layer = nn.Linear(centres.shape[1], len(centres))
    with torch.no_grad():
        layer.weight.copy_(2 * sharpness * centres)
        layer.bias.copy_(-sharpness * centres.square().sum(dim=1))
    return nn.Sequential(layer, nn.Softmax(dim=1))


def head_of(weights: dict[str, Tensor]) -> nn.Sequential:
    """The head, an MLP's or a linear one, that these weights are of."""
    first, seed = weights["0.weight"], torch.Generator()
    deep = weights.get("3.weight")
    network = (
        linear_head(first.shape[1], len(first), seed)
        if deep is None
        else mlp_head(first.shape[1], len(deep), seed, len(first))
    )
    network.load_state_dict(weights)
    return network


def projector(dim: int, width: int, generator: torch.Generator, hidden: int) -> nn.Sequential:
    """Linear, or Linear - GELU - Linear over `hidden` units: rows (b, dim) -> (b, width).

    Weights and biases are uniform as in PyTorch.
    """
    sizes = [(dim, hidden), (hidden, width)] if hidden else [(dim, width)]
    layers = [nn.Linear(*size) for size in sizes]
    with torch.no_grad():
        for layer in layers:
            bound = layer.in_features**-0.5
            layer.weight.uniform_(-bound, bound, generator=generator)
            layer.bias.uniform_(-bound, bound, generator=generator)
    return nn.Sequential(layers[0], *(part for layer in layers[1:] for part in (nn.GELU(), layer)))
