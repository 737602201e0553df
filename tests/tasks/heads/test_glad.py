"""GLAD as a method: images that lack modalities, its switches, the networks it leaves."""

import numpy as np
import pytest
import torch

from sortal.configs.heads import HeadConfig
from sortal.configs.presets import load_preset, merge, preset_names
from sortal.tasks.arrays import normalise
from sortal.tasks.heads.data import Data, Matrix, write_matrix
from sortal.tasks.heads.methods.glad import Glad, common_of
from sortal.tasks.heads.trainer import train

KINDS, N = 3, 90
DIMS = {"image": 8, "title": 5}
SOME = np.arange(N) % 3 > 0  # a third of the images has no title


def config_of(**glad):
    trainer = {"epochs": 2, "batch_size": 30, "lr": 0.01, "optimiser": "adamw"}
    return HeadConfig(method="glad", trainer=trainer, glad={"modalities": list(DIMS), **glad})


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    modalities = {}
    for name, dim in DIMS.items():
        rows = rng.standard_normal((KINDS, dim))[np.arange(N) // 30]
        rows = normalise((rows + 0.3 * rng.standard_normal((N, dim))).astype(np.float32))
        if name == "title":
            rows[~SOME] = 0
        path = tmp_path / f"modality-{name}.npy"
        write_matrix(path, (N, dim), [rows])
        modalities[name] = Matrix(path, "cpu")
    return Data(KINDS, modalities, {}, tmp_path, 0, "cpu")


@pytest.fixture
def glad(data):
    made = Glad(config_of())
    train(made, data, config_of().trainer)
    return made.eval()


def rows_of(data):
    return {name: matrix.slice(0, N) for name, matrix in data.modalities.items()}


def test_a_missing_modality_has_no_part_in_the_common_representation_and_the_labels(data, glad):
    rows = rows_of(data)
    alone = {"image": rows["image"]}
    lacking = torch.from_numpy(~SOME)
    with torch.no_grad():
        one, two = common_of(glad.project(rows)), common_of(glad.project(alone))
        torch.testing.assert_close(one[lacking], two[lacking])
        assert (one[~lacking] - two[~lacking]).abs().max() > 0.01
        labels, image = glad.probabilities(rows), glad.probabilities(alone)
    torch.testing.assert_close(labels[lacking], image[lacking])
    torch.testing.assert_close(labels.sum(dim=1), torch.ones(N))
    assert glad.facts() == {"n_image": N, "n_title": int(SOME.sum())}


def test_an_image_without_any_modality_may_be_of_any_kind(glad):
    block = {name: torch.zeros(2, dim) for name, dim in DIMS.items()}
    torch.testing.assert_close(glad.probabilities(block), torch.full((2, KINDS), 1 / KINDS))


def test_what_a_missing_row_would_hold_changes_no_loss(data, glad):
    batch = np.arange(N)
    plain = glad.loss(batch, 0, np.random.default_rng(0))
    only = batch[SOME]
    rows = {name: matrix.take(torch.from_numpy(only)) for name, matrix in data.modalities.items()}
    projected = glad.project(rows)
    alone = glad._global(projected["title"], common_of(projected))
    with torch.no_grad():
        whole = glad.project(rows_of(data))
        part = glad._global(whole["image"], common_of(whole))
    expected = glad.config.global_weight * (alone["labels"] + part["labels"])
    torch.testing.assert_close(plain["labels"], expected)


def test_a_batch_in_which_a_modality_is_missing_altogether_still_teaches(glad):
    glad.zero_grad()
    terms = glad.loss(np.flatnonzero(~SOME), 0, np.random.default_rng(0))
    total = torch.stack(list(terms.values())).sum()
    total.backward()
    grads = {name: p.grad for name, p in glad.named_parameters()}
    assert torch.isfinite(total) and grads["projectors.image.0.weight"].abs().sum() > 0
    title = grads["projectors.title.0.weight"]
    assert title is None or not title.abs().sum()


TERMS = {
    "glad": {"labels", "transport", "local"},
    "glad-no-gsa": {"local"},
    "glad-no-lsa": {"labels", "transport"},
    "glad-no-weights": {"labels", "transport", "local"},
    "glad-cosine": {"labels", "transport", "local"},
    "glad-no-transport": {"labels", "local"},
}


def test_every_ablation_of_the_paper_is_a_preset():
    presets = {name for name in preset_names() if name.startswith("glad")}
    assert presets == {*TERMS, "glad-captions"}


@pytest.mark.parametrize("preset", TERMS)
def test_presets_have_the_terms_they_are_named_for(data, preset):
    over = {"glad": {"modalities": list(DIMS)}, "trainer": {"epochs": 2, "batch_size": 30}}
    config = HeadConfig(**merge(load_preset(preset)["head"], over))
    made = Glad(config)
    names = {name for _, name, _ in train(made, data, config.trainer)}
    assert {name.removeprefix("loss.") for name in names if "loss." in name} == TERMS[preset]
    labels = made.probabilities(rows_of(data))
    torch.testing.assert_close(labels.sum(dim=1), torch.ones(N))


@pytest.mark.parametrize(
    "switch", [{"rows": "softmax"}, {"similarity": "projected"}, {"positive": False}, {"hidden": 7}]
)
def test_switches_change_the_result_and_a_restored_head_is_the_trained_one(data, glad, switch):
    made = Glad(config_of(**switch))
    (data.scratch / "checkpoint.safetensors").unlink()
    train(made, data, config_of(**switch).trainer)
    rows = rows_of(data)
    with torch.no_grad():
        labels = made.eval().probabilities(rows)
        assert not torch.allclose(labels, glad.probabilities(rows), atol=1e-5)
        again = Glad(config_of(**switch))
        again.restore({name: value.clone() for name, value in made.state_dict().items()})
        torch.testing.assert_close(again.eval().probabilities(rows), labels, rtol=0, atol=0)
