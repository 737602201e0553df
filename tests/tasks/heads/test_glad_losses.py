"""GLAD's losses against numbers worked out from their equations, their gradients, and its plan."""

import math
from functools import partial

import numpy as np
import ot
import pytest
import torch
from torch.autograd import gradcheck

from sortal.tasks.heads.losses import glad
from sortal.tasks.transport.exact_pass import Columns, dense_plan
from transports import plan_of, solved

DOUBLE = torch.float64
alignment = partial(glad.local_alignment, positive=True)


def tensor(values):
    return torch.tensor(values, dtype=DOUBLE)


def unit(*shape, seed=0):
    rows = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)
    return torch.nn.functional.normalize(rows, dim=-1)


def asked(count, balance=1.0):
    return Columns(torch.full((count,), 1.0 / count, dtype=DOUBLE), balance)


def test_divergence_by_hand_and_zero_where_labels_are_the_target():
    target, labels = tensor([[0.75, 0.25], [1.0, 0.0]]), tensor([[0.5, 0.5], [0.25, 0.75]])
    first = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert glad.divergence(target, labels).item() == pytest.approx((first + math.log(4)) / 2)
    assert glad.divergence(target, target).item() == pytest.approx(0, abs=1e-12)


def test_transport_loss_by_hand():
    scores, target = tensor([[0.8, 0.2], [0.0, 0.6]]), tensor([[0.75, 0.25], [0.0, 1.0]])
    cost = 0.2 * 0.75 + 0.8 * 0.25 + 0.4
    entropy = 0.75 * math.log(0.75) + 0.25 * math.log(0.25)
    assert glad.transport_loss(scores, target).item() == pytest.approx((cost + entropy) / 2)


def test_similarities_average_the_modalities_that_both_have():
    one = tensor([[1, 0], [0.6, 0.8], [0, 1]])
    two = tensor([[1, 0], [1, 0], [0, 0]])  # the third has no such modality
    expected = [[1, 0.8, 0], [0.8, 1, 0.8], [0, 0.8, 1]]
    torch.testing.assert_close(glad.similarities([one, two]), tensor(expected))
    apart = [tensor([[1, 0], [0, 0]]), tensor([[0, 0], [1, 0]])]
    assert glad.similarities(apart)[0, 1] == 0


def test_local_alignment_by_hand():
    common, modality = tensor([[1, 0], [0, 1]]), tensor([[0.8, 0.6], [0.6, 0.8]])
    s = tensor([[1, 0.5], [0.5, 1]])
    # T = 0.5: C / T = [[1.6, 1.2], [1.2, 1.6]]; the other's exponent is halved by s = 1/2
    without = 0.5 * (0.6 - 1.6)
    found = glad.local_alignment(common, modality, s, 0.5, positive=False)
    assert found.item() == pytest.approx(without)
    infonce = 0.5 * math.log((math.exp(0.6) + math.exp(1.6)) / math.exp(1.6))
    assert alignment(common, modality, s, 0.5).item() == pytest.approx(infonce)
    plain = 0.5 * math.log((math.exp(1.2) + math.exp(1.6)) / math.exp(1.6))
    found = alignment(common, modality, torch.zeros_like(s), 0.5)
    assert found.item() == pytest.approx(plain)


def test_images_that_are_alike_do_not_push_each_other():
    common = tensor([[1, 0, 0], [0, 1, 0]])
    near, far = tensor([[0.8, 0.6, 0], [0.6, 0.8, 0]]), tensor([[0.8, 0, 0.6], [0, 0.8, 0.6]])
    ones, zeros = torch.ones(2, 2, dtype=DOUBLE), torch.zeros(2, 2, dtype=DOUBLE)
    loss = [alignment(common, modality, ones, 0.5) for modality in (near, far)]
    assert loss[0].item() == pytest.approx(loss[1].item())
    loss = [alignment(common, modality, zeros, 0.5) for modality in (near, far)]
    assert loss[0].item() > loss[1].item() + 0.1


@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_the_losses_slopes(seed):
    centres, weights = unit(3, 4, seed=seed), glad.similarities([unit(6, 5, seed=seed + 9)])
    inputs = [
        torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)
        for shape in ((6, 4), (6, 4), (6, 3))
    ]
    raw, other, logits = (each.requires_grad_() for each in inputs)

    def normalised(rows):
        return torch.nn.functional.normalize(rows, dim=1)

    target = dense_plan(normalised(raw) @ centres.T, asked(3), 0.1, 1e-9, 500)

    def transport(rows):
        return glad.transport_loss(normalised(rows) @ centres.T, target)

    def labels(scores):
        return glad.divergence(target, scores.softmax(dim=1))

    def local(one, two):
        return glad.local_alignment(
            normalised(one + two), normalised(one), weights, 0.2, positive=True
        )

    for loss, given in ((transport, (raw,)), (labels, (logits,)), (local, (raw, other))):
        assert gradcheck(loss, given)
        assert all(grad.abs().sum() > 1e-6 for grad in torch.autograd.grad(loss(*given), given))


@pytest.mark.parametrize("epsilon", [0.02, 0.05, 0.5])
def test_the_plan_in_memory_is_the_streamed_one_and_pots(epsilon):
    rows, centres = unit(64, 8).float(), unit(5, 8, seed=1).float()
    plan = dense_plan(rows @ centres.T, asked(5), epsilon, 1e-8, 5000).numpy()
    images, texts = rows.numpy(), centres.numpy()
    potential = solved(images, texts, epsilon=epsilon, tol=1e-6, max_iter=5000)
    streamed = plan_of(images, texts, potential)
    np.testing.assert_allclose(plan, streamed, atol=2e-4)
    cost = -(rows @ centres.T).double().numpy()
    uniform = np.full(64, 1 / 64), np.full(5, 1 / 5)
    pots = 64 * ot.bregman.sinkhorn_log(*uniform, cost, epsilon, numItermax=5000, stopThr=1e-9)
    np.testing.assert_allclose(plan, pots, atol=1e-4)
    np.testing.assert_allclose(plan.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(plan.mean(axis=0), 1 / 5, atol=1e-5)


def test_without_balance_the_plan_is_a_softmax_and_no_gradient_goes_through_it():
    scores = unit(6, 3).requires_grad_()
    plan = dense_plan(scores, asked(3, balance=0.0), 0.1, 1e-3, 50)
    torch.testing.assert_close(plan, (scores / 0.1).softmax(dim=1).detach())
    assert not plan.requires_grad
