"""Transport: marginals, limits, invariances, budgets, warm starts and what it refuses."""

import logging

import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.errors import RunError, UsageError
from storage.rows import ArrayRows
from tasks.transport import (
    Potential,
    cluster_mass,
    counterparts_block,
    match_potential,
    plan_block,
    solve,
)


def unit(n, dim, seed):
    x = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def clustered(n, m, dim=32, seed=0):
    """Images and texts around shared centres, as in a CLIP space."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(8, dim))
    images = centres[rng.integers(0, 8, n)] + 0.7 * rng.normal(size=(n, dim))
    texts = centres[rng.integers(0, 8, m)] + 0.9 * rng.normal(size=(m, dim))
    sides = (images, texts)
    return tuple((x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32) for x in sides)


def marginal_error(images, texts, potential):
    columns = plan_block(images, texts, potential).mean(axis=0, dtype=np.float64)
    return np.abs(columns - potential.masses).sum()


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
    got = solve(images, texts, epsilon=epsilon, masses=masses, tol=5e-5, max_iter=3000)
    plan = plan_block(images, texts, got)
    assert np.isfinite(plan).all()
    assert (plan >= 0).all()
    np.testing.assert_allclose(plan.sum(axis=1), 1.0, atol=1e-5)
    assert got.converged == (got.marginal_error <= 5e-5)
    assert marginal_error(images, texts, got) <= 1e-4 or not got.converged
    assert got.converged or epsilon < 0.01, "above epsilon 0.01 every such problem converges"


@settings(max_examples=30, deadline=None)
@given(problems())
def test_agrees_with_pot(problem):
    images, texts, epsilon, masses = problem
    epsilon = max(epsilon, 0.02)
    limits = {"tol": 1e-6, "max_iter": 5000, "epsilon": epsilon, "masses": masses}
    ours = solve(images, texts, **limits)
    pots = solve(images, texts, solver="pot", **limits)
    np.testing.assert_allclose(
        plan_block(images, texts, ours), plan_block(images, texts, pots), atol=2e-3
    )


@pytest.mark.parametrize("epsilon", [0.05, 0.005])
def test_agrees_with_pot_on_clustered_vectors(epsilon):
    images, texts = clustered(200, 20)
    ours = solve(images, texts, epsilon=epsilon, tol=1e-6, max_iter=5000)
    pots = solve(images, texts, epsilon=epsilon, tol=1e-6, max_iter=20000, solver="pot")
    both = [plan_block(images, texts, potential) for potential in (ours, pots)]
    np.testing.assert_allclose(*both, atol=1e-3)


def test_pot_is_refused_above_its_size_with_the_way_out():
    with pytest.raises(UsageError, match="use solver 'sinkhorn'"):
        solve(unit(2001, 4, 0), unit(2000, 4, 1), solver="pot")


def test_balance_zero_is_softmax_retrieval_exactly():
    images, texts = clustered(200, 30)
    got = solve(images, texts, epsilon=0.02, balance=0.0, g0=np.ones(30))
    assert got.n_iter == 0
    assert (got.g == 0).all()
    z = images.astype(np.float64) @ texts.astype(np.float64).T / 0.02
    expected = np.exp(z - z.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(plan_block(images, texts, got), expected, rtol=1e-4, atol=1e-7)


def test_balance_is_a_kl_penalty_of_weight_rho():
    """The relaxed optimum is known by its optimality condition g = rho log(b / columns)."""
    images, texts = clustered(300, 20)
    got = solve(images, texts, epsilon=0.05, balance=0.5, tol=1e-6)
    rho = 0.05 * 0.5 / (1 - 0.5)
    implied = rho * np.log(got.masses / got.column_sums)
    np.testing.assert_allclose(got.g - got.g.mean(), implied - implied.mean(), atol=1e-5)


def test_more_balance_uses_columns_more_evenly():
    images, texts = clustered(300, 20)
    dial = [solve(images, texts, balance=b).facts["column_deviation"] for b in (0, 0.5, 0.9, 1)]
    assert dial == sorted(dial, reverse=True)
    assert dial[-1] <= 1e-4


def test_small_epsilon_approaches_the_exact_assignment():
    images, texts = unit(20, 8, 3), unit(20, 8, 4)
    similarity = images.astype(np.float64) @ texts.T.astype(np.float64)
    exact = ot.emd(np.full(20, 0.05), np.full(20, 0.05), -similarity)
    got = solve(images, texts, epsilon=1e-3, max_iter=20000)
    plan = plan_block(images, texts, got) / 20
    assert (plan.argmax(axis=1) == exact.argmax(axis=1)).mean() >= 0.95
    assert abs((plan * similarity).sum() - (exact * similarity).sum()) < 3e-3


def test_large_epsilon_gives_the_product_plan():
    masses = np.arange(1.0, 31.0)
    got = solve(unit(50, 8, 0), unit(30, 8, 1), epsilon=1e3, masses=masses, tol=1e-6)
    plan = plan_block(unit(50, 8, 0), unit(30, 8, 1), got)
    np.testing.assert_allclose(plan, np.tile(masses / masses.sum(), (50, 1)), atol=1e-4)


def test_permuting_images_and_texts_permutes_the_answer():
    images, texts = clustered(300, 40)
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(300), rng.permutation(40)
    a = solve(images, texts, tol=1e-6)
    b = solve(images[rows], texts[columns], tol=1e-6)
    np.testing.assert_allclose(a.g[columns], b.g, atol=1e-5)


@pytest.mark.parametrize("block_size", [1, 7, 64, 1000])
def test_block_size_never_changes_the_answer(block_size):
    images, texts = clustered(300, 40)
    whole = solve(images, texts, tol=1e-6)
    parts = solve(images, texts, tol=1e-6, block_size=block_size)
    np.testing.assert_allclose(whole.g, parts.g, atol=1e-5)


@pytest.mark.parametrize("budget", [0, 2 * 40 * 400, None])
def test_memory_budget_never_changes_the_answer(budget):
    """None of the kernel kept, a fifth of its rows, all of it."""
    images, texts = clustered(2000, 40)
    whole = solve(images, texts, tol=1e-6)
    got = solve(images, texts, tol=1e-6, memory_budget=budget)
    assert got.converged
    np.testing.assert_allclose(whole.g, got.g, atol=1e-5)


def test_threads_do_not_change_a_bit():
    import torch

    images, texts = clustered(3000, 400)
    threads = torch.get_num_threads()
    try:
        answers = []
        for count in (1, 2):
            torch.set_num_threads(count)
            answers.append(solve(images, texts, block_size=128).g)
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(*answers)


def test_duplicated_images_get_equal_counterparts():
    images, texts = clustered(100, 20)
    images[50:] = images[:50]
    got = counterparts_block(images, texts, solve(images, texts))
    np.testing.assert_allclose(got[50:], got[:50], atol=1e-6)


def test_counterparts_follow_the_plan_and_its_weighting():
    images, texts = clustered(60, 12)
    potential = solve(images, texts)
    plan = plan_block(images, texts, potential)
    for weighting, weights in (
        ("plan", plan),
        ("plan_times_similarity", plan * (images @ texts.T)),
    ):
        expected = weights @ texts
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        got = counterparts_block(images, texts, potential, weighting)
        np.testing.assert_allclose(got, expected, atol=1e-5)


def test_new_images_get_counterparts_without_a_solve(tmp_path):
    images, texts = clustered(500, 20)
    potential = solve(images[:400], texts)
    potential.save(tmp_path / "potential.npz", [f"key {i}" for i in range(20)])
    loaded = Potential.load(tmp_path / "potential.npz")
    assert loaded.facts == potential.facts
    fresh = counterparts_block(images[400:], texts, loaded)
    np.testing.assert_array_equal(fresh, counterparts_block(images[400:], texts, potential))
    np.testing.assert_allclose(np.linalg.norm(fresh, axis=1), 1.0, atol=1e-5)


def test_a_warm_start_is_matched_by_key_and_saves_iterations():
    images, texts = clustered(4040, 60)
    old = solve(images[:4000], texts, epsilon=0.01)
    order = np.random.default_rng(0).permutation(60)
    g0 = match_potential(old.g, [str(i) for i in range(60)], [str(i) for i in order])
    np.testing.assert_array_equal(g0, old.g[order])
    cold = solve(images, texts[order], epsilon=0.01)
    warm = solve(images, texts[order], epsilon=0.01, g0=g0)
    assert warm.converged
    assert warm.n_iter <= cold.n_iter / 2
    again = solve(images, texts[order], epsilon=0.01, g0=warm.g)
    assert again.n_iter == 0


def test_new_texts_start_from_the_mean_of_the_known():
    got = match_potential(np.array([1.0, 3.0]), ["a", "b"], ["b", "new", "a"])
    np.testing.assert_array_equal(got, [3.0, 2.0, 1.0])
    np.testing.assert_array_equal(match_potential(np.ones(1), ["a"], ["x", "y"]), [0.0, 0.0])


def test_a_sampled_fit_reports_the_error_it_costs():
    images, texts = clustered(5000, 20)
    got = solve(images, texts, sample=1000)
    assert got.n_passes == 1
    assert got.marginal_error == pytest.approx(marginal_error(images, texts, got), rel=1e-3)
    assert 1e-4 < got.marginal_error < 0.2
    assert not got.converged


def test_cluster_mass_is_the_plan_summed_by_label():
    images, texts = clustered(300, 25)
    potential = solve(images, texts)
    labels = np.random.default_rng(0).integers(-1, 4, 300)
    got = cluster_mass(ArrayRows(images), texts, potential, labels, 4)
    plan = plan_block(images, texts, potential) / 300
    expected = np.stack([plan[labels == c].sum(axis=0) for c in range(4)])
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_not_converged_is_flagged_logged_and_an_error_when_strict(caplog):
    images, texts = clustered(200, 40)
    with caplog.at_level(logging.WARNING, logger="sortal"):
        got = solve(images, texts, epsilon=0.002, max_iter=2)
    assert not got.facts["converged"]
    assert "raise max_iter" in caplog.text
    with pytest.raises(RunError, match="marginal error"):
        solve(images, texts, epsilon=0.002, max_iter=2, strict=True)


def test_max_iter_bounds_the_evaluations():
    images, texts = clustered(200, 40)
    for max_iter in (0, 1, 5, 9):
        assert solve(images, texts, epsilon=0.002, max_iter=max_iter).n_iter <= max_iter


def test_one_text_takes_everything():
    got = solve(unit(30, 8, 0), unit(1, 8, 1))
    assert got.converged
    np.testing.assert_allclose(plan_block(unit(30, 8, 0), unit(1, 8, 1), got), 1.0)


def test_one_image_spreads_over_the_masses():
    got = solve(unit(1, 8, 0), unit(10, 8, 1), tol=1e-6)
    np.testing.assert_allclose(plan_block(unit(1, 8, 0), unit(10, 8, 1), got), 0.1, atol=1e-5)


def test_fewer_images_than_texts_still_balances():
    images, texts = clustered(10, 200)
    assert solve(images, texts).converged


def test_a_zero_image_sends_its_mass_by_the_potential_alone():
    images, texts = clustered(100, 10)
    images[3], texts[4] = 0, 0
    potential = solve(images, texts)
    assert potential.converged
    weights = np.exp(potential.g / potential.epsilon)
    got = plan_block(images[3:4], texts, potential)
    np.testing.assert_allclose(got[0], weights / weights.sum(), atol=1e-5)
    assert np.isfinite(counterparts_block(images, texts, potential)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: x.__setitem__((150, 2), np.nan), "row 150"),
        (lambda x, y: x.__setitem__((7, 0), np.inf), "row 7"),
        (lambda x, y: y.__setitem__((3, 1), np.nan), "text vectors must be finite.*row 3"),
    ],
)
def test_vectors_that_are_not_finite_are_named(change, message):
    images, texts = clustered(200, 10)
    change(images, texts)
    with pytest.raises(UsageError, match=message):
        solve(images, texts, block_size=64)


def test_empty_or_mismatched_input_is_refused():
    x = unit(5, 4, 0)
    with pytest.raises(UsageError, match="at least one text"):
        solve(x, np.empty((0, 4), np.float32))
    with pytest.raises(UsageError, match="at least one image"):
        solve(np.empty((0, 4), np.float32), x)
    with pytest.raises(UsageError, match="share a dimension, got 4 and 3"):
        solve(x, unit(5, 3, 0))
    with pytest.raises(UsageError, match="masses must be 5 positive"):
        solve(x, x, masses=np.array([1, 1, 1, 1, 0.0]))
    with pytest.raises(UsageError, match="g0 must be 5 finite"):
        solve(x, x, g0=np.zeros(4))
