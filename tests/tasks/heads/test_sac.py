"""SAC: its losses against numbers worked out by hand, its weights, captions that are missing."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score, roc_auc_score
from torch.autograd import gradcheck

from sortal.configs.heads import HeadConfig
from sortal.tasks.arrays import normalise
from sortal.tasks.heads.data import Data, Matrix, write_matrix
from sortal.tasks.heads.losses.sac import Pair, agreement, alignment, contrast, weights
from sortal.tasks.heads.methods.sac import Sac
from sortal.tasks.heads.trainer import predict, train

T = 1.1
KINDS, DIM, N = 4, 16, 240
LABELS = np.arange(N) % KINDS


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


A = tensor([[0.8, 0.2], [0.3, 0.7]])
B = tensor([[0.5, 0.5], [0.1, 0.9]])


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_weights_by_hand():
    # own: .8 x .5 + .2 x .5 = .5, .3 x .1 + .7 x .9 = .66; other: the rows of A with themselves
    own, other = Pair(A, B), Pair(A, A)
    found = agreement(own, T, scale=1.0)
    assert found.tolist() == pytest.approx([sigmoid(0.5 / T), sigmoid(0.66 / T)])
    found = weights(own, other, alpha=0.9, temperature=T, scale=2.0)
    first = 0.9 * sigmoid(2 * 0.5 / T) + 0.1 * sigmoid(2 * 0.68 / T)
    second = 0.9 * sigmoid(2 * 0.66 / T) + 0.1 * sigmoid(2 * 0.58 / T)
    assert found.tolist() == pytest.approx([first, second])


@pytest.mark.parametrize("mask_self", [False, True])
def test_contrast_by_hand(mask_self):
    # The four rows a1, a2, b1, b2 and their products, the row with itself first:
    #   a1: .68 | b1 .5  | a2 .38, b2 .26      b1: .5  | a1 .5  | a2 .5,  b2 .5
    #   a2: .58 | b2 .66 | a1 .38, b1 .5       b2: .82 | a2 .66 | a1 .26, b1 .5
    def row(itself, positive, *negatives):
        every = [positive, *negatives] if mask_self else [itself, positive, *negatives]
        return -math.log(math.exp(positive / T) / sum(math.exp(x / T) for x in every))

    a1, a2 = row(0.68, 0.5, 0.38, 0.26), row(0.58, 0.66, 0.38, 0.5)
    b1, b2 = row(0.5, 0.5, 0.5, 0.5), row(0.82, 0.66, 0.26, 0.5)
    w = tensor([0.6, 0.2])
    found = contrast(Pair(A, B), w, T, mask_self=mask_self)
    expected = (0.6 * a1 + 0.2 * a2 + 0.6 * b1 + 0.2 * b2) / 1.6
    assert found.item() == pytest.approx(expected)
    alike = contrast(Pair(A, B), torch.ones(2, dtype=torch.float64), T, mask_self=mask_self)
    assert alike.item() == pytest.approx((a1 + a2 + b1 + b2) / 4)


def test_pairs_without_weight_teach_nothing():
    a = A.clone().requires_grad_()
    value = contrast(Pair(a, B), torch.zeros(2, dtype=torch.float64), T, mask_self=False)
    value.backward()
    assert value.item() == 0 and not a.grad.any()


def test_alignment_by_hand():
    # p . q by image .5 and .66; by cluster .8 x .5 + .3 x .1 = .43, .2 x .5 + .7 x .9 = .73
    by_image = -(math.log(0.5) + math.log(0.66)) / 2
    by_cluster = -(math.log(sigmoid(0.43)) + math.log(sigmoid(0.73))) / 2
    for beta in (0.0, 0.25, 1.0):
        expected = beta * by_image + (1 - beta) * by_cluster
        assert alignment(A, B, beta).item() == pytest.approx(expected)


def logits(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(6, 3, generator=generator, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("mask_self", [False, True])
def test_gradients_through_probabilities_and_weights_are_those_of_finite_differences(mask_self):
    def total_loss(*z):
        q, q_r, q_s, p, p_r, p_s = (each.softmax(dim=1) for each in z)
        total = alignment(p, q, 0.5)
        for own, other in (
            (Pair(q, q_r), Pair(p, p_s)),
            (Pair(q, p_r), Pair(p, q_s)),
            (Pair(p, q_s), Pair(q, p_r)),
        ):
            w = weights(own, other, alpha=0.9, temperature=T, scale=1.0)
            total = total + contrast(own, w, T, mask_self=mask_self)
        return total

    inputs = tuple(logits(seed) for seed in range(6))
    assert gradcheck(total_loss, inputs)
    grads = torch.autograd.grad(total_loss(*inputs), inputs)
    assert all(grad.abs().sum() > 1e-6 for grad in grads)


class World:
    """Images and captions of four kinds; `owner` numbers the image each caption belongs to."""

    def __init__(self, folder, owner=None, missing=(), **sac):
        folder.mkdir(exist_ok=True)
        rng = np.random.default_rng(0)
        modalities = {}
        for name, order in (("image", np.arange(N)), ("description", owner)):
            kinds = normalise(rng.standard_normal((KINDS, DIM)).astype(np.float32))
            noise = 0.2 * rng.standard_normal((N, DIM)).astype(np.float32)
            rows = normalise(kinds[LABELS] + noise)
            rows = rows if order is None else rows[order]
            if name == "description":
                rows[list(missing)] = 0
            write_matrix(folder / f"modality-{name}.npy", (N, DIM), [rows])
            modalities[name] = Matrix(folder / f"modality-{name}.npy", "cpu")
        trainer = {"epochs": 6, "batch_size": 60, "n_neighbours": 10}
        self.config = HeadConfig(method="sac", trainer=trainer, sac=sac)
        self.data = Data(KINDS, modalities, {}, folder, 0, "cpu")
        self.method = Sac(self.config)
        self.history = train(self.method, self.data, self.config.trainer)

    @property
    def agreement(self):
        return adjusted_rand_score(LABELS, predict(self.method, self.data).labels)


def test_captions_of_other_images_weigh_less(tmp_path):
    rng = np.random.default_rng(1)
    owner = np.arange(N)
    wrong = rng.permutation(N)[: N // 2]
    owner[wrong] = np.roll(wrong, 1)
    right = LABELS[owner] == LABELS
    world = World(tmp_path, owner)
    found = world.method.per_image(world.data)
    assert world.agreement > 0.9
    assert roc_auc_score(right, found["weight"]) > 0.9
    mean = np.mean([found[f"weight_{name}"] for name in
                    ("intra", "image_to_text", "text_to_image")], axis=0)  # fmt: skip
    np.testing.assert_allclose(found["weight"], mean, rtol=1e-5)
    assert (found["weight"] >= 0.5).all() and (found["weight"] < 1).all()


def test_the_weight_of_an_image_is_the_mean_over_its_neighbours(tmp_path):
    world = World(tmp_path)
    method, data = world.method, world.data
    method.eval()
    with torch.no_grad():
        q = method.image_head(data.modalities["image"].take(torch.arange(N)))
        p = method.text_head(data.modalities["description"].take(torch.arange(N)))
    settings = {"alpha": 0.9, "temperature": T, "scale": 1.0}
    means = []
    for r, s in zip(method.by_text[7], method.by_image[7], strict=True):
        own = {i: x[[i]] for x in (q,) for i in (7, r, s)}, {i: p[[i]] for i in (7, r, s)}
        q_of, p_of = own
        for a, b, c, d in ((q_of[7], q_of[r], p_of[7], p_of[s]),
                           (q_of[7], p_of[r], p_of[7], q_of[s]),
                           (p_of[7], q_of[s], q_of[7], p_of[r])):  # fmt: skip
            means.append(float(weights(Pair(a, b), Pair(c, d), **settings)))
    assert method.per_image(data)["weight"][7] == pytest.approx(np.mean(means), abs=1e-3)


def test_images_without_a_caption_are_clustered_and_have_no_weight(tmp_path):
    missing = np.arange(0, N, 3)
    world = World(tmp_path, missing=missing)
    assert world.method.facts() == {"n_told": N - len(missing)}
    assert world.agreement > 0.9
    assert not np.isin(world.method.by_text[np.arange(1, N, 3)], missing).any()
    np.testing.assert_array_equal(world.method.by_text[missing], world.method.by_image[missing])
    weight = world.method.per_image(world.data)["weight"]
    assert np.isnan(weight[missing]).all() and np.isnan(weight).sum() == len(missing)


@pytest.mark.parametrize(
    ("setting", "gone"),
    [
        ({"third_term": False}, {"text_to_image"}),
        ({"contrast": False}, {"intra", "image_to_text", "text_to_image"}),
        ({"alignment": 0.0}, {"alignment"}),
        ({"balance": 0.0}, {"balance"}),
        ({"weighted": False}, set()),
        ({"weights_learn": False}, set()),
    ],
)
def test_switches_leave_their_terms_out(tmp_path, setting, gone):
    world = World(tmp_path, **setting)
    every = {"intra", "image_to_text", "text_to_image", "alignment", "balance"}
    terms = {name.removeprefix("loss.") for _, name, _ in world.history if name.startswith("loss.")}
    assert terms == every - gone
    assert np.isfinite([value for _, _, value in world.history]).all()
