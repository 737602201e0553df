"""Transport cut short says so, and what it refuses."""

import logging

import numpy as np
import pytest

from sortal.configs.errors import RunError, UsageError
from transports import clustered, solved, unit


def test_not_converged_is_flagged_logged_and_an_error_when_strict(caplog):
    images, texts = clustered(200, 40)
    with caplog.at_level(logging.WARNING, logger="sortal"):
        got = solved(images, texts, epsilon=0.002, max_iter=2)
    assert not got.facts["converged"]
    assert "raise max_iter" in caplog.text
    with pytest.raises(RunError, match="marginal error"):
        solved(images, texts, epsilon=0.002, max_iter=2, strict=True)


def test_max_iter_bounds_the_evaluations():
    images, texts = clustered(200, 40)
    for max_iter in (0, 1, 5, 9):
        assert solved(images, texts, epsilon=0.002, max_iter=max_iter).n_iter <= max_iter


def test_pot_is_refused_above_its_size_with_the_way_out():
    with pytest.raises(UsageError, match="use solver 'sinkhorn'"):
        solved(unit(2001, 4, 0), unit(2000, 4, 1), solver="pot")


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
        solved(images, texts, block_size=64)


def test_empty_or_mismatched_input_is_refused():
    x = unit(5, 4, 0)
    with pytest.raises(UsageError, match="at least one text"):
        solved(x, np.empty((0, 4), np.float32))
    with pytest.raises(UsageError, match="at least one image"):
        solved(np.empty((0, 4), np.float32), x)
    with pytest.raises(UsageError, match="share a dimension, got 4 and 3"):
        solved(x, unit(5, 3, 0))
    with pytest.raises(UsageError, match="masses must be 5 positive"):
        solved(x, x, masses=np.array([1, 1, 1, 1, 0.0]))
    with pytest.raises(UsageError, match="start must be 5 finite"):
        solved(x, x, start=np.zeros(4))
