"""TURTLE's two levels against autograd and PyTorch's Adam, and images that lack a space."""

import pytest
import torch
from test_trainer import trained

from sortal.configs.heads import HeadConfig, TurtleConfig
from sortal.tasks.heads.losses.turtle import Adam, descend, disagreement
from sortal.tasks.heads.methods.turtle import TaskEncoder, Turtle


def rows(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_classifiers_steps_are_those_of_pytorchs_adam_on_the_disagreement():
    z, labels = rows(7, 5), rows(7, 3, seed=1).softmax(dim=1)
    own, other = rows(3, 6, seed=2), torch.nn.Parameter(rows(3, 6, seed=2))
    state = Adam.of(own)
    adam = torch.optim.Adam([other], lr=0.01)
    for _ in range(4):
        descend(own, state, z, labels, 0.01)
        adam.zero_grad()
        disagreement(z, other, labels).backward()
        adam.step()
    torch.testing.assert_close(own, other.detach())


def test_a_task_encoder_depends_on_the_direction_of_its_weights_alone():
    encoder = TaskEncoder(4, 3, torch.Generator().manual_seed(0))
    before = encoder(rows(6, 4))
    torch.testing.assert_close(before.sum(dim=1), torch.ones(6))
    with torch.no_grad():
        encoder.direction.mul_(7.0)
    torch.testing.assert_close(encoder(rows(6, 4)), before)


def test_an_image_that_lacks_a_space_has_the_labels_of_the_others_and_without_any_all(tmp_path):
    made, data, _ = trained(tmp_path, "turtle", epochs=1)
    assert isinstance(made, Turtle)
    block = {name: data.modalities[name].slice(0, 3) for name in made.deciding}
    block["noun"][0] = 0.0
    for part in block.values():
        part[1] = 0.0
    labels = made.probabilities(block)
    alone = made.probabilities({"image": block["image"]})
    torch.testing.assert_close(labels[0], alone[0])
    torch.testing.assert_close(labels[1], torch.full_like(labels[1], 1 / data.n_clusters))
    assert not torch.allclose(labels[2], alone[2])


def test_the_classifiers_are_constants_of_the_outer_loss_and_learn_before_it(tmp_path):
    made, _, history = trained(tmp_path, "turtle", epochs=2)
    assert not [name for name, _ in made.named_parameters() if "classifier" in name]
    steps = 2 * 3 * made.config.inner_steps  # epochs x batches x steps
    assert float(made.state_dict()["taken_image"].max()) == steps
    assert {name for _, name, _ in history} >= {"loss.classification", "loss.balance"}


def test_one_space_will_do_and_none_or_the_same_twice_will_not():
    assert HeadConfig(method="turtle", turtle={"modalities": ["image"]}).reads.texts == ()
    for wrong in ([], ["image", "image"]):
        with pytest.raises(ValueError, match="one or more modalities, each once"):
            TurtleConfig(modalities=wrong)
