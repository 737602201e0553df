"""Heads on a GPU that only torch believes in: losses of a step mix no devices.

Tensors are torch's fake ones, which have a shape and a device and no numbers, so that every machine
has a GPU for them; torch raises where two devices meet. Methods whose next operation depends on
numbers (glad, sac, turtle) cannot be tried so, nor can a backward pass.
"""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from test_trainer import config, make_data
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from sortal.tasks.heads.data import Matrix, TextSpace
from sortal.tasks.heads.registry import method_of


def on_gpu(thing):
    """A copy of `thing` whose tensors are on the GPU."""
    if isinstance(thing, torch.nn.Parameter):
        return torch.nn.Parameter(torch.empty_like(thing, device="cuda"))
    if isinstance(thing, torch.Tensor):
        return torch.empty_like(thing, device="cuda")
    if isinstance(thing, dict):
        return {name: on_gpu(each) for name, each in thing.items()}
    if isinstance(thing, Matrix):
        moved = copy.copy(thing)
        moved._rows, moved._device = on_gpu(thing._rows), "cuda"
        return moved
    if isinstance(thing, torch.nn.Module):
        moved = copy.copy(thing)
        moved.__dict__.update({name: on_gpu(each) for name, each in vars(thing).items()})
        return moved
    if isinstance(thing, TextSpace):
        return dataclasses.replace(thing, vectors=on_gpu(thing.vectors))
    return thing


@pytest.mark.parametrize("name", ["tac", "sic", "mca"])
def test_the_losses_of_a_step_are_on_the_gpu(name, tmp_path):
    settings = config(name)
    data, method = make_data(tmp_path), method_of(settings)
    method.prepare(data)
    method.start_epoch(0)
    batch = np.arange(settings.trainer.batch_size)
    with FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv()):
        terms = on_gpu(method).loss(batch, 0, data.generator(1))
    assert terms and all(each.device.type == "cuda" for each in terms.values())


def test_a_step_that_forgets_to_move_is_found():
    with FakeTensorMode(), pytest.raises(RuntimeError, match="same device"):
        torch.empty(3, device="cuda") + torch.empty(3)
