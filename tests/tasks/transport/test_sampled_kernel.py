"""A sample of the plan's entries: unbiased, exact where it matters, and enough to solve with."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sortal.storage.rows import ArrayRows
from sortal.tasks.threads import ThreadPool
from sortal.tasks.transport.exact_pass import Problem, column_sums
from sortal.tasks.transport.sampled_kernel import ENTRY_BYTES, SampledKernel
from transports import clustered, marginal_error, solved

N, M = 4000, 200
ENTRIES = ENTRY_BYTES * N * 32  # bytes: less than the kernel takes, enough for 32 entries a row


@pytest.fixture
def problem():
    images, texts = clustered(N, M)
    with ThreadPool() as threads:
        yield Problem(
            rows=ArrayRows(images),
            texts=torch.from_numpy(texts),
            masses=torch.full((M,), 1 / M, dtype=torch.float64),
            epsilon=0.05,
            balance=1.0,
            block_size=700,  # more than the rows of random numbers, and no divisor of N
            threads=threads,
        )


def sampled(problem, per_row):
    """A sampled kernel, cached at the potential 0, and the exact sums there."""
    kernel, u = SampledKernel(problem, per_row), torch.zeros(M, dtype=torch.float64)
    return kernel, column_sums(problem, u, kernel.store).values


def test_sums_of_the_entries_are_those_of_the_plan_but_for_chance(problem):
    entries, exact = sampled(problem, 32)
    sums = entries.column_sums(torch.ones(M, dtype=torch.float64)) / N
    assert float((sums - exact).abs().sum()) < 0.05
    few, _ = sampled(problem, 4)
    rough = few.column_sums(torch.ones(M, dtype=torch.float64)) / N
    assert float((rough - exact).abs().sum()) > float((sums - exact).abs().sum())


def test_enough_entries_are_the_plan_itself(problem):
    sharp = replace(problem, epsilon=0.1)
    entries, exact = sampled(sharp, 10**9)
    sums = entries.column_sums(torch.ones(M, dtype=torch.float64)) / N
    torch.testing.assert_close(sums, exact, rtol=1e-5, atol=0)
    scale = torch.linspace(0.2, 5, M, dtype=torch.float64)
    moved = column_sums(sharp, scale.log()).values
    torch.testing.assert_close(entries.column_sums(scale) / N, moved, rtol=1e-5, atol=0)


@pytest.mark.parametrize(("epsilon", "balance"), [(0.05, 1.0), (0.05, 0.5), (0.2, 1.0)])
def test_entries_solve_what_the_kernel_solves(epsilon, balance):
    images, texts = clustered(N, M)
    limits = {"epsilon": epsilon, "balance": balance, "tol": 1e-5}
    reference = solved(images, texts, **limits)
    got = solved(images, texts, memory_budget=ENTRIES, **limits)
    assert got.converged
    if balance == 1:
        assert marginal_error(images, texts, got) <= 1.2e-5
    np.testing.assert_allclose(got.g, reference.g, atol=1e-3 * epsilon)


def test_entries_need_fewer_passes_than_exact_evaluations():
    images, texts = clustered(N, M)
    exact = solved(images, texts, epsilon=0.05, memory_budget=0)
    got = solved(images, texts, epsilon=0.05, memory_budget=ENTRIES)
    assert got.converged
    assert got.n_passes < exact.n_passes


def test_entries_do_not_depend_on_threads():
    images, texts = clustered(N, M)
    threads = torch.get_num_threads()
    try:
        answers = []
        for count in (1, 2):
            torch.set_num_threads(count)
            answers.append(
                solved(images, texts, epsilon=0.05, block_size=128, memory_budget=ENTRIES).g
            )
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(*answers)


def test_a_part_that_exceeds_its_capacity_is_kept_apart(problem, monkeypatch):
    ample, _ = sampled(problem, 32)
    monkeypatch.setattr("sortal.tasks.transport.sampled_kernel._SPARE_DEVIATIONS", -100.0)
    tight, _ = sampled(problem, 32)
    assert tight._overflow and not ample._overflow
    ones = torch.ones(M, dtype=torch.float64)
    torch.testing.assert_close(tight.column_sums(ones), ample.column_sums(ones), rtol=0, atol=0)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_sampled_entries_leave_no_holes_in_memory():
    """Stored as a small array a part, the same entries took 180 MB here; in one place, 35."""
    code = """
import numpy as np
from sortal.configs.schema import TransportConfig
from sortal.tasks.arrays import normalise
from sortal.tasks.transport.sampled_kernel import ENTRY_BYTES
from sortal.tasks.transport.solve import solve

def held():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) // 1024

rng = np.random.default_rng(0)
kinds = rng.normal(size=(50, 32)).astype(np.float32)
images, texts = (
    normalise(kinds[rng.integers(0, 50, n)] + rng.normal(size=(n, 32)).astype(np.float32))
    for n in (20_000, 4_000)
)
before = held()
config = TransportConfig(epsilon=0.05, balance=1.0, memory_budget=ENTRY_BYTES * 20_000 * 32)
got = solve(images, texts, config)
print(got.converged, held() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    converged, added = done.stdout.split()
    assert converged == "True"
    assert int(added) < 90


def test_many_images_begin_with_a_guess_from_a_few():
    images, texts = clustered(40 * M, M)
    got = solved(images, texts, epsilon=0.05)
    assert got.converged
    assert got.n_passes == 2
