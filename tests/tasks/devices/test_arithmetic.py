"""What a GPU does otherwise, on a CPU: rounded products, one kernel for a softmax and its sums."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from compilers import needs_compiler
from sortal.storage.rows import ArrayRows
from sortal.tasks.devices.arithmetic import EXACT, Arithmetic, at_once, in_place
from sortal.tasks.threads import ThreadPool
from sortal.tasks.transport.exact_pass import Problem, column_sums
from transports import clustered, solved

HALF = Arithmetic("bfloat16")


def products(arithmetic: Arithmetic, factor: float = 3.0) -> tuple[np.ndarray, ...]:
    """What is added, and what it should be, of rows of 512 dimensions, in float64."""
    x, y = (torch.from_numpy(side) for side in clustered(200, 30, dim=512))
    bias = torch.linspace(-1, 1, 30)
    found = arithmetic.added(bias, x, y, factor)
    assert found.dtype == torch.float32
    exact = bias.double() + factor * x.double() @ y.double().T
    return found.numpy(), exact.numpy(), (x.bfloat16().double() @ y.bfloat16().double().T).numpy()


def test_products_of_bfloat16_are_rounded_once_and_summed_in_float32():
    found, exact, of_rounded = products(HALF)
    rounded = np.linspace(-1, 1, 30) + 3.0 * of_rounded
    np.testing.assert_allclose(found, rounded, atol=3e-6)  # sums of bfloat16 were off by 1e-2
    error = np.abs(found - exact).max()
    assert 1e-5 < error < 3 * 2**-8 / np.sqrt(12)


def test_tf32_is_asked_for_in_a_product_alone():
    before = torch.get_float32_matmul_precision()
    found, exact, _ = products(Arithmetic("tf32"))
    assert torch.get_float32_matmul_precision() == before == "highest"
    np.testing.assert_allclose(found, exact, atol=3e-3)


@pytest.mark.parametrize("wanted", ["float32", "tf32", "bfloat16"])
def test_on_a_cpu_all_is_float32_whatever_is_configured(wanted):
    assert Arithmetic.on("cpu", wanted, compiled=True) == EXACT
    assert Arithmetic.on("cuda", wanted, compiled=True) == Arithmetic(wanted, compiled=True)


def passed(arithmetic: Arithmetic, **kept) -> np.ndarray:
    """Column sums of a pass over 300 rows in blocks of 128."""
    images, texts = clustered(300, 40)
    masses = torch.full((40,), 1 / 40, dtype=torch.float64)
    with ThreadPool() as threads:
        problem = Problem(
            masses=masses,
            balance=1.0,
            rows=ArrayRows(images),
            texts=torch.from_numpy(texts),
            epsilon=0.05,
            block_size=128,
            threads=threads,
        )
        u = torch.linspace(-1, 1, 40, dtype=torch.float64)
        problem = replace(problem, arithmetic=arithmetic)
        return column_sums(problem, u, **kept).values.numpy()


def test_a_pass_of_rounded_products_has_nearly_the_same_sums():
    exact = passed(EXACT)
    assert 1e-7 < np.abs(passed(HALF) - exact).sum() < 1e-2  # at epsilon 0.05
    np.testing.assert_allclose(passed(Arithmetic("tf32")), exact, atol=1e-4)


def test_a_softmax_in_one_expression_is_that_of_single_operations():
    z = 20 * torch.randn(50, 30, generator=torch.Generator().manual_seed(0))
    ours, theirs = at_once(z.clone(), True), in_place(z.clone())
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-4)
    assert at_once(z, False).scaled is None


@needs_compiler
def test_a_compiled_pass_has_the_same_sums_and_stores_the_same_kernel():
    stored: dict[bool, list[np.ndarray]] = {False: [], True: []}
    for compiled, kept in stored.items():
        arithmetic = Arithmetic(compiled=compiled)
        sums = passed(arithmetic, store=lambda _, scaled, inverse, kept=kept: kept.append(
            (scaled * inverse[:, None]).numpy().copy()))  # fmt: skip
        np.testing.assert_allclose(sums, passed(EXACT), rtol=1e-5)
    for one, other in zip(stored[True], stored[False], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(passed(Arithmetic(compiled=True)), passed(EXACT), rtol=1e-5)


def test_a_potential_is_the_same_whatever_is_configured_for_a_gpu():
    images, texts = clustered(300, 40)
    plain = solved(images, texts, epsilon=0.05)
    other = solved(images, texts, epsilon=0.05, precision="bfloat16", compile=True)
    assert (plain.g == other.g).all()
