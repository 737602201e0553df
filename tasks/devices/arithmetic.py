"""Products and softmax sums of blocks of rows, as a device does them.

On a CPU in float32. On a GPU the numbers that are multiplied may be rounded, to TF32 (10 bits after
the first, as float16 has) or bfloat16 (7); products are summed in float32 in any case.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import torch

from sortal.configs.executor import Products

SHIFT = 15 * 0.6931471805599453  # log 2^15: a row's largest entry is near the top of float16


class Softmax(NamedTuple):
    """Rows of a kernel (b, M), not divided by their sums, and what they add up to.

    `scaled` is exp(z - max z + SHIFT), None where nobody wants it; `inverse` (b,) one over its
    rows' sums; `sums` (M,) those of the columns of scaled x inverse; `top` (M,) the largest
    z - max z.
    """

    scaled: torch.Tensor | None
    inverse: torch.Tensor
    sums: torch.Tensor
    top: torch.Tensor


class Arithmetic(NamedTuple):
    """Which numbers are multiplied, and whether the softmax is one compiled kernel."""

    precision: Products = "float32"
    compiled: bool = False

    @classmethod
    def on(cls, device: str, precision: Products, compiled: bool = False) -> "Arithmetic":
        """As configured on a GPU; exact on a CPU."""
        return EXACT if device == "cpu" else cls(precision, compiled)

    def added(
        self,
        bias: torch.Tensor,
        x: torch.Tensor,
        y: torch.Tensor,
        factor: float,
        out: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """bias + factor x yᵀ of shape (b, M), float32: bias (M,), x (b, d) and y (M, d) float32."""
        if self.precision == "bfloat16":
            return torch.add(bias, _of_bfloat16(x, y), alpha=factor, out=out)
        with _tf32(self.precision == "tf32"):
            return torch.addmm(bias, x, y.T, alpha=factor, out=out)

    def softmax(self, z: torch.Tensor, wanted: bool) -> Softmax:
        """The softmax of each row of z (b, M), and column sums; z may be overwritten.

        `wanted`: with `scaled`.
        """
        if self.compiled:
            found: Softmax = _compiled()(z, wanted)
            return found
        return in_place(z)


EXACT = Arithmetic()


def in_place(z: torch.Tensor) -> Softmax:
    """Operation by operation, in the memory of z."""
    z -= z.amax(dim=1, keepdim=True)
    top = z.amax(dim=0)
    z.add_(SHIFT).exp_()
    inverse = z.sum(dim=1).reciprocal_()
    return Softmax(z, inverse, torch.mv(z.T, inverse), top)


def at_once(z: torch.Tensor, wanted: bool) -> Softmax:
    """The same as one expression for torch.compile, which then writes no more than is wanted."""
    shifted = z - z.amax(dim=1, keepdim=True)
    scaled = (shifted + SHIFT).exp()
    inverse = scaled.sum(dim=1).reciprocal()
    sums = (scaled * inverse[:, None]).sum(dim=0)
    return Softmax(scaled if wanted else None, inverse, sums, shifted.amax(dim=0))


@cache
def _compiled() -> Any:
    return torch.compile(at_once, dynamic=True)


def _of_bfloat16(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """x yᵀ in float32 of numbers rounded to bfloat16."""
    x, y = x.bfloat16(), y.bfloat16()
    try:
        return torch.mm(x, y.T, out_dtype=torch.float32)  # type: ignore[call-overload, no-any-return]
    except (TypeError, NotImplementedError):  # torch before 2.8, or a CPU: the same, at no gain
        with _tf32(True):
            return x.float() @ y.float().T


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    """Inside, float32 products on a GPU may round to TF32, where that is allowed."""
    if not allowed:
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
