"""Losses of heads against numbers worked out from the papers' equations, and their gradients."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from sortal.tasks.heads.losses.common import consistency, cross_entropy, distillation, entropy
from sortal.tasks.heads.networks import linear_head, linear_head_at, mlp_head

P = torch.tensor([[0.8, 0.2], [0.3, 0.7]], dtype=torch.float64)
Q = torch.tensor([[0.5, 0.5], [0.1, 0.9]], dtype=torch.float64)


def probabilities(rows=6, clusters=3, seed=0):
    logits = torch.randn(rows, clusters, generator=torch.Generator().manual_seed(seed))
    return logits.double().softmax(dim=1).requires_grad_()


def test_consistency_by_hand():
    # p1 . q1 = .8 x .5 + .2 x .5 = .5, p2 . q2 = .3 x .1 + .7 x .9 = .66
    assert consistency(P, Q).item() == pytest.approx(-(math.log(0.5) + math.log(0.66)) / 2)


def test_entropy_by_hand():
    # mean row (.55, .45)
    expected = -(0.55 * math.log(0.55) + 0.45 * math.log(0.45))
    assert entropy(P).item() == pytest.approx(expected)


def test_cross_entropy_by_hand():
    labels = torch.tensor([1, 0])
    expected = -(math.log(0.2) + math.log(0.3)) / 2
    assert cross_entropy(P, labels).item() == pytest.approx(expected)


def test_distillation_by_hand():
    # Columns of a: (1, 0), (0, 1); of b: (.6, .8), (0, 1); all of unit length. T = .5, so that
    # cosines double. Row by row, the positive and the two negatives (the column itself is out):
    #   a1: b1 .6  | a2 0, b2 0        a2: b2 1  | a1 0,  b1 .8
    #   b1: a1 .6  | a2 .8, b2 .8      b2: a2 1  | a1 0,  b1 .8
    a = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    b = torch.tensor([[0.6, 0.0], [0.8, 1.0]], dtype=torch.float64)

    def row(positive, *negatives):
        every = [math.exp(cosine / 0.5) for cosine in (positive, *negatives)]
        return -math.log(every[0] / sum(every))

    expected = (row(0.6, 0, 0) + row(1, 0, 0.8) + row(0.6, 0.8, 0.8) + row(1, 0, 0.8)) / 4
    assert distillation(a, b, temperature=0.5).item() == pytest.approx(expected)


def test_distillation_does_not_see_the_length_of_columns():
    scaled = Q * torch.tensor([3.0, 0.2], dtype=torch.float64)
    assert distillation(P, scaled, 0.5).item() == pytest.approx(distillation(P, Q, 0.5).item())


@pytest.mark.parametrize("loss", [consistency, partial(distillation, temperature=0.5)])
def test_gradients_of_pairs_are_those_of_finite_differences(loss):
    assert gradcheck(loss, (probabilities(seed=0), probabilities(seed=1)))


def test_gradients_of_single_arguments_are_those_of_finite_differences():
    labels = torch.tensor([0, 2, 1, 1, 0, 2])
    assert gradcheck(entropy, (probabilities(),))
    assert gradcheck(lambda q: cross_entropy(q, labels), (probabilities(),))


def test_sure_and_opposite_rows_give_a_finite_loss():
    sure = torch.eye(2, requires_grad=True)
    value = consistency(sure, sure.flip(0)) + cross_entropy(sure, torch.tensor([1, 0]))
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(sure.grad).all()


def test_a_linear_head_starts_as_the_nearest_centre():
    rng = np.random.default_rng(0)
    centres = torch.tensor(rng.standard_normal((4, 8)), dtype=torch.float32)
    rows = torch.tensor(rng.standard_normal((50, 8)), dtype=torch.float32)
    head = linear_head_at(centres, sharpness=0.3)
    squared = torch.cdist(rows, centres).square()
    assert torch.allclose(head(rows), (-0.3 * squared).softmax(dim=1), atol=1e-5)


def test_heads_are_seeded_and_give_distributions():
    rows = torch.randn(20, 8)
    for make in (partial(mlp_head, width=512), linear_head):
        one, two = (make(8, 3, torch.Generator().manual_seed(7)) for _ in range(2))
        assert torch.equal(one(rows), two(rows))
        assert torch.allclose(one(rows).sum(dim=1), torch.ones(20))
    weight = mlp_head(512, 3, torch.Generator().manual_seed(0), width=512)[0].weight
    assert weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert weight.abs().max().item() <= 2.0
