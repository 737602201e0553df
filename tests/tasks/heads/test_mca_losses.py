"""MCA's alignments against numbers worked out from their equations, and their gradients."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from sortal.tasks.heads.losses import mca
from sortal.tasks.heads.losses.common import consistency
from sortal.tasks.heads.methods.mca import adapted, adapter
from sortal.tasks.heads.methods.sic import nearest_texts, semantic_centres

DOUBLE = torch.float64
EAST, NORTH = [1.0, 0.0], [0.0, 1.0]


def tensor(values):
    return torch.tensor(values, dtype=DOUBLE)


def unit(*shape, seed=0):
    rows = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)
    return torch.nn.functional.normalize(rows, dim=-1)


def logits(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=DOUBLE).requires_grad_()


def test_attention_and_the_soft_target_by_hand():
    # cosines 1 and 0; tau = 1/ln 3, so that the weights are 3/4 and 1/4
    weights = mca.attention(tensor([EAST]), tensor([[EAST, NORTH]]), 1 / math.log(3))
    assert weights.tolist() == [pytest.approx([0.75, 0.25])]
    target = mca.soft_target(weights, tensor([[[0.8, 0.2], [0.4, 0.6]]]))
    assert target.tolist() == [pytest.approx([0.75 * 0.8 + 0.25 * 0.4, 0.75 * 0.2 + 0.25 * 0.6])]


def test_a_cold_attention_sees_only_the_nearest_noun():
    nouns = unit(4, 5, 8)
    images = unit(4, 8, seed=1)
    weights = mca.attention(images, nouns, 1e-6)
    nearest = torch.einsum("bd,bkd->bk", images, nouns).argmax(dim=1)
    assert torch.equal(weights.argmax(dim=1), nearest) and weights.max(dim=1).values.min() > 0.999


def test_the_nearest_nouns_come_nearest_first_and_no_more_than_there_are():
    nouns = tensor([NORTH, EAST, [0.8, 0.6]])
    assert nearest_texts(tensor([EAST]), nouns, 2).tolist() == [[1, 2]]
    assert nearest_texts(tensor([EAST]), nouns, 9).tolist() == [[1, 2, 0]]


def test_each_cluster_chooses_its_share_of_the_surest_images():
    q = tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    # floor(0.9 x 4 / 2) = 1 image a cluster; floor(1.0 x 4 / 2) = 2
    assert mca.confident(q, 0.9).nonzero().tolist() == [[0, 0], [2, 1]]
    assert mca.confident(q, 1.0).sum(dim=0).tolist() == [2, 2]
    assert mca.confident(q[:1], 0.1).sum(dim=0).tolist() == [1, 1]  # never none


def test_prototypes_by_hand():
    q = tensor([[0.6, 0.1], [0.8, 0.1], [0.2, 0.9]])
    chosen = torch.tensor([[True, False], [True, False], [False, True]])
    images = tensor([EAST, NORTH, NORTH])
    # .6 east + .8 north has length 1; the other cluster has one image alone
    torch.testing.assert_close(mca.image_prototypes(images, q, chosen), tensor([[0.6, 0.8], NORTH]))
    nouns, near = tensor([EAST, NORTH, EAST]), torch.tensor([[0, 1], [1, 2]])
    p = tensor([[0.3, 0.5], [0.4, 0.8], [0.3, 0.6]])
    # .3 east + .4 north, and .8 north + .6 east, each brought to length 1
    expected = tensor([[0.6, 0.8], [0.6, 0.8]])
    weights = tensor([[p[0, 0], p[1, 0]], [p[1, 1], p[2, 1]]])
    torch.testing.assert_close(mca.noun_prototypes(nouns[near], weights), expected)
    half = math.sqrt(0.5)
    torch.testing.assert_close(semantic_centres(nouns, near), tensor([[half, half]] * 2))


def test_prototype_alignment_by_hand():
    # cosines [[1, 0], [.8, .6]] at T = .5: [[2, 0], [1.6, 1.2]]
    found = mca.prototype_alignment(
        mca.Prototypes(tensor([EAST, [0.8, 0.6]]), tensor([EAST, NORTH])), 0.5
    )

    def term(own, other):
        return -math.log(math.exp(own) / (math.exp(own) + math.exp(other)))

    by_image = (term(2, 0) + term(1.2, 1.6)) / 2
    by_noun = (term(2, 1.6) + term(1.2, 0)) / 2
    assert found.item() == pytest.approx((by_image + by_noun) / 2)


def test_prototype_alignment_does_not_care_which_side_is_which():
    m, h = unit(5, 8), unit(5, 8, seed=1)
    one = mca.prototype_alignment(mca.Prototypes(m, h), 0.1)
    torch.testing.assert_close(one, mca.prototype_alignment(mca.Prototypes(h, m), 0.1))


def through_heads(loss):
    """`loss(q, p)` of logits, as training sees it: gradients through both softmaxes."""
    return lambda z, w: loss(z.softmax(dim=1), w.softmax(dim=1))


@pytest.mark.parametrize("seed", range(3))
def test_gradients_reach_both_heads_and_are_the_losses_slopes(seed):
    images, nouns = unit(6, 5, seed=seed), unit(7, 5, seed=seed + 10)
    z, w = logits(6, 3, seed=seed), logits(7, 3, seed=seed + 20)
    near = nearest_texts(images, nouns, 4)
    weights = mca.attention(images, nouns[near], 0.1)
    of_cluster = nearest_texts(images[:3], nouns, 4)
    chosen = mca.confident(z.softmax(dim=1), 1.0)

    def instance(q, p):
        return consistency(q, mca.soft_target(weights, p[near]))

    def prototype(q, p):
        both = mca.Prototypes(
            mca.image_prototypes(images, q, chosen),
            mca.noun_prototypes(nouns[of_cluster], p[of_cluster, torch.arange(3)[:, None]]),
        )
        return mca.prototype_alignment(both, 0.2)

    for loss in (instance, prototype):
        assert gradcheck(through_heads(loss), (z, w))
        grads = torch.autograd.grad(through_heads(loss)(z, w), (z, w))
        assert all(grad.abs().sum() > 1e-6 for grad in grads)


def test_adapters_add_nothing_at_first_and_gradients_of_the_attention_reach_both():
    of_images, of_nouns = (adapter(5).double() for _ in range(2))
    images, nouns = unit(6, 5), unit(6, 3, 5, seed=1)
    torch.testing.assert_close(adapted(images, of_images, 0.1), images)
    weights = mca.attention(adapted(images, of_images, 0.1), adapted(nouns, of_nouns, 0.1), 0.1)
    (weights * unit(6, 3, seed=2)).sum().backward()
    assert of_images.weight.grad.norm() > 0 and of_nouns.weight.grad.norm() > 0
