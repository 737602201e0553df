"""Transport: marginals, limits, invariances and problems of unusual shape."""

import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sortal.configs.schema import TransportConfig
from sortal.tasks.transport.solve import solve
from transports import clustered, marginal_error, plan_of, solved, unit


@st.composite
def problems(draw):
    n, m = draw(st.integers(1, 80)), draw(st.integers(1, 24))
    dim, seed = draw(st.integers(2, 16)), draw(st.integers(0, 2**31))
    epsilon = 10 ** draw(st.floats(-3, 0))
    masses = None
    if draw(st.booleans()):
        masses = np.random.default_rng(seed).uniform(0.2, 5.0, m)
    return unit(n, dim, seed), unit(m, dim, seed + 1), epsilon, masses


@settings(max_examples=200, deadline=None)
@given(problems())
def test_marginals_hold_or_the_failure_is_flagged(problem):
    images, texts, epsilon, masses = problem
    got = solved(images, texts, epsilon=epsilon, masses=masses, tol=5e-5, max_iter=3000)
    plan = plan_of(images, texts, got)
    assert np.isfinite(plan).all()
    assert (plan >= 0).all()
    np.testing.assert_allclose(plan.sum(axis=1), 1.0, atol=1e-5)
    assert got.converged == (got.marginal_error <= 5e-5)
    assert marginal_error(images, texts, got) <= 1e-4 or not got.converged
    if not got.converged and epsilon >= 0.01:
        assert pots_error(images, texts, got) > 5e-5, "POT converges in as many iterations"


def pots_error(images, texts, got) -> float:
    """Error of the column sums after as many iterations of POT's log-domain solver."""
    plan = ot.bregman.sinkhorn_log(
        np.full(len(images), 1 / len(images)),
        got.masses,
        -images.astype(np.float64) @ texts.astype(np.float64).T,
        got.epsilon,
        numItermax=got.n_iter,
        stopThr=1e-9,
        warn=False,
    )
    return float(np.abs(plan.sum(axis=0) - got.masses).sum())


@settings(max_examples=30, deadline=None)
@given(problems())
def test_agrees_with_pot(problem):
    images, texts, epsilon, masses = problem
    epsilon = max(epsilon, 0.02)
    limits = {"tol": 1e-6, "max_iter": 5000, "epsilon": epsilon, "masses": masses}
    ours = solved(images, texts, **limits)
    pots = solved(images, texts, solver="pot", **limits)
    np.testing.assert_allclose(
        plan_of(images, texts, ours), plan_of(images, texts, pots), atol=2e-3
    )


@pytest.mark.parametrize("epsilon", [0.05, 0.005])
def test_agrees_with_pot_on_clustered_vectors(epsilon):
    images, texts = clustered(200, 20)
    ours = solved(images, texts, epsilon=epsilon, tol=1e-6, max_iter=5000)
    pots = solved(images, texts, epsilon=epsilon, tol=1e-6, max_iter=20000, solver="pot")
    both = [plan_of(images, texts, potential) for potential in (ours, pots)]
    np.testing.assert_allclose(*both, atol=1e-3)


def test_balance_zero_is_softmax_retrieval_exactly():
    images, texts = clustered(200, 30)
    got = solved(images, texts, epsilon=0.02, balance=0.0, start=np.ones(30))
    assert got.n_iter == 0
    assert (got.g == 0).all()
    z = images.astype(np.float64) @ texts.astype(np.float64).T / 0.02
    expected = np.exp(z - z.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(plan_of(images, texts, got), expected, rtol=1e-4, atol=1e-7)


def test_balance_is_a_kl_penalty_of_weight_rho():
    """The relaxed optimum is known by its optimality condition g = rho log(b / columns)."""
    images, texts = clustered(300, 20)
    got = solved(images, texts, epsilon=0.05, balance=0.5, tol=1e-6)
    rho = 0.05 * 0.5 / (1 - 0.5)
    implied = rho * np.log(got.masses / got.column_sums)
    np.testing.assert_allclose(got.g - got.g.mean(), implied - implied.mean(), atol=1e-5)


def test_more_balance_uses_columns_more_evenly():
    images, texts = clustered(300, 20)
    dial = [solved(images, texts, balance=b).facts["column_deviation"] for b in (0, 0.5, 0.9, 1)]
    assert dial == sorted(dial, reverse=True)
    assert dial[-1] <= 1e-4


def test_small_epsilon_approaches_the_exact_assignment():
    images, texts = unit(20, 8, 3), unit(20, 8, 4)
    similarity = images.astype(np.float64) @ texts.T.astype(np.float64)
    exact = ot.emd(np.full(20, 0.05), np.full(20, 0.05), -similarity)
    got = solved(images, texts, epsilon=1e-3, max_iter=20000)
    plan = plan_of(images, texts, got) / 20
    assert (plan.argmax(axis=1) == exact.argmax(axis=1)).mean() >= 0.95
    assert abs((plan * similarity).sum() - (exact * similarity).sum()) < 3e-3


def test_large_epsilon_gives_the_product_plan():
    masses = np.arange(1.0, 31.0)
    config = TransportConfig(balance=1.0, tol=1e-6)
    config = config.model_copy(update={"epsilon": 1e3})  # more than a run may have
    got = solve(unit(50, 8, 0), unit(30, 8, 1), config, masses=masses)
    plan = plan_of(unit(50, 8, 0), unit(30, 8, 1), got)
    np.testing.assert_allclose(plan, np.tile(masses / masses.sum(), (50, 1)), atol=1e-4)


def test_permuting_images_and_texts_permutes_the_answer():
    images, texts = clustered(300, 40)
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(300), rng.permutation(40)
    a = solved(images, texts, tol=1e-6)
    b = solved(images[rows], texts[columns], tol=1e-6)
    np.testing.assert_allclose(a.g[columns], b.g, atol=1e-5)


@pytest.mark.parametrize("block_size", [1, 7, 64, 1000])
def test_block_size_never_changes_the_answer(block_size):
    images, texts = clustered(300, 40)
    reference = solved(images, texts, tol=1e-6)
    parts = solved(images, texts, tol=1e-6, block_size=block_size)
    np.testing.assert_allclose(reference.g, parts.g, atol=1e-5)


@pytest.mark.parametrize("budget", [0, 2 * 40 * 400, None])
def test_memory_budget_never_changes_the_answer(budget):
    """None of the kernel kept, a fifth of its rows, all of it."""
    images, texts = clustered(2000, 40)
    reference = solved(images, texts, tol=1e-6)
    got = solved(images, texts, tol=1e-6, memory_budget=budget)
    assert got.converged
    np.testing.assert_allclose(reference.g, got.g, atol=1e-5)


def test_threads_do_not_change_a_bit():
    import torch

    images, texts = clustered(3000, 400)
    threads = torch.get_num_threads()
    try:
        answers = []
        for count in (1, 2):
            torch.set_num_threads(count)
            answers.append(solved(images, texts, block_size=128).g)
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(*answers)


def test_one_text_takes_everything():
    got = solved(unit(30, 8, 0), unit(1, 8, 1))
    assert got.converged
    np.testing.assert_allclose(plan_of(unit(30, 8, 0), unit(1, 8, 1), got), 1.0)


def test_one_image_spreads_over_the_masses():
    got = solved(unit(1, 8, 0), unit(10, 8, 1), tol=1e-6)
    np.testing.assert_allclose(plan_of(unit(1, 8, 0), unit(10, 8, 1), got), 0.1, atol=1e-5)


def test_fewer_images_than_texts_still_balances():
    images, texts = clustered(10, 200)
    assert solved(images, texts).converged


def test_of_many_images_some_are_fitted_and_all_are_judged():
    images, texts = clustered(4000, 50)
    limits = {"tol": 1e-5, "strict": True, "epsilon": 0.1}
    got = solved(images, texts, fit_rows=1000, **limits)
    np.testing.assert_allclose(got.g, solved(images[3::4], texts, **limits).g, atol=1e-6)
    assert got.converged and got.fit_error <= 1e-5 < got.marginal_error
    assert got.marginal_error == pytest.approx(marginal_error(images, texts, got), rel=1e-2)
    every = solved(images, texts, fit_rows=4000, **limits)
    assert every.fit_error == every.marginal_error <= 1e-5
    assert np.abs(got.g - every.g).max() < 0.05
    nearer = solved(images, texts, fit_rows=3000, **limits)
    assert nearer.marginal_error < got.marginal_error
