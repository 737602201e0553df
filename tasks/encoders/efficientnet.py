"""EfficientNet-Lite0 (Tan and Le, 2019) as its authors trained it, without its batch norms.

timm has the same network; its import takes over two seconds of processor time.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, TypeVar

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

Layer = TypeVar("Layer", bound=nn.Module)

_STEM, _HEAD, _CLASSES = 32, 1280, 1000
_EPSILON = 1e-3  # of the batch norms


class _Stage(NamedTuple):
    """Blocks alike: `stride` is the first one's, `expansion` times as many channels are inside."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


class _Strided(nn.Conv2d):
    """A convolution by steps of two, padded as TensorFlow does: what is odd comes last."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sides: list[int] = []
        for length, kernel, step in zip(x.shape[:1:-1], self.kernel_size, self.stride, strict=True):
            more = max(0, (-(-length // step) - 1) * step + kernel - length)
            sides += [more // 2, more - more // 2]
        return functional.conv2d(
            functional.pad(x, sides), self.weight, self.bias, self.stride, groups=self.groups
        )


class _Residual(nn.Sequential):
    """Adds what it was given."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = super().forward(x)
        return found + x


class _Weights:
    """A checkpoint's tensors, taken in the order of its layers."""

    def __init__(self, tensors: Iterable[torch.Tensor]) -> None:
        self._tensors = iter(tensors)

    def convolution(
        self, n_in: int, n_out: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> nn.Conv2d:
        """The next convolution, with the scale and shift of the batch norm that follows it."""
        kind, padding = (nn.Conv2d, kernel // 2) if stride == 1 else (_Strided, 0)
        layer = kind(n_in, n_out, kernel, stride, padding, groups=groups, bias=False, device="meta")
        norm = nn.BatchNorm2d(n_out, eps=_EPSILON, device="meta")
        fused = fuse_conv_bn_eval(self._filled(layer), self._filled(norm))
        layer.weight, layer.bias = fused.weight, fused.bias
        return layer

    def linear(self, n_in: int, n_out: int) -> nn.Linear:
        """The next layer, a linear one."""
        return self._filled(nn.Linear(n_in, n_out, device="meta"))

    def rest(self) -> int:
        """How many tensors are left."""
        return sum(1 for _ in self._tensors)

    def _filled(self, layer: Layer) -> Layer:
        """A layer without data, with the next tensors."""
        names = list(layer.state_dict())
        state = dict(zip(names, islice(self._tensors, len(names)), strict=True))
        layer.load_state_dict(state, assign=True)
        return layer.eval()


def efficientnet_lite0(tensors: Iterable[torch.Tensor]) -> nn.Sequential:
    """The network for evaluation: (b, 3, h, w) -> (b, 1000) logits; pixels lie in [-1, 1].

    `tensors` are a checkpoint's, in the order of its layers. Raises ValueError where one does not
    fit, or is missing or too many.
    """
    weights = _Weights(tensors)
    try:
        model = nn.Sequential(*_layers(weights))
    except RuntimeError as error:  # of a shape
        raise ValueError(str(error).splitlines()[-1].strip()) from error
    if left := weights.rest():
        raise ValueError(f"{left} tensors are too many")
    return model.eval().requires_grad_(False)


def _layers(weights: _Weights) -> Iterator[nn.Module]:
    yield from (weights.convolution(3, _STEM, 3, 2), nn.ReLU6(inplace=True))
    channels = _STEM
    for stage in _STAGES:
        for number in range(stage.blocks):
            yield _block(weights, channels, stage, stage.stride if number == 0 else 1)
            channels = stage.channels
    yield from (weights.convolution(channels, _HEAD), nn.ReLU6(inplace=True))
    yield from (nn.AdaptiveAvgPool2d(1), nn.Flatten(), weights.linear(_HEAD, _CLASSES))


def _block(weights: _Weights, n_in: int, stage: _Stage, stride: int) -> nn.Sequential:
    """Channels are widened, each is filtered by itself, and all are mixed."""
    inside = n_in * stage.expansion
    layers: list[nn.Module] = []
    if stage.expansion > 1:
        layers += [weights.convolution(n_in, inside), nn.ReLU6(inplace=True)]
    layers += [weights.convolution(inside, inside, stage.kernel, stride, inside)]
    layers += [nn.ReLU6(inplace=True), weights.convolution(inside, stage.channels)]
    same = stride == 1 and n_in == stage.channels
    return (_Residual if same else nn.Sequential)(*layers)
