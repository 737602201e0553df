"""The trainer's optimiser is torch's own, without the import of torch.compile's machinery."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sortal.configs.heads import TrainerConfig
from sortal.tasks.heads.trainer import optimiser_of

KINDS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}

FRESH = """
import sys
from test_optimiser import TrainerConfig, fitted, optimiser_of
fitted(lambda model: optimiser_of(model, TrainerConfig()))
sys.exit("torch._dynamo" in sys.modules)
"""


def fitted(make):
    """Weights after some steps, the state of the optimiser saved and loaded on the way."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    optimiser, images = make(model), torch.randn(20, 6)
    for number in range(8):
        optimiser.zero_grad(set_to_none=True)
        (model(images) ** 2).mean().backward()
        optimiser.step()
        if number == 4:
            optimiser.load_state_dict(optimiser.state_dict())
    return torch.cat([weights.detach().flatten() for weights in model.parameters()])


@pytest.mark.parametrize("name", KINDS)
def test_it_takes_the_steps_of_torch_s_to_the_bit(name):
    config = TrainerConfig(optimiser=name, lr=0.01, weight_decay=0.001)

    def usual(model):
        values = {"lr": config.lr, "betas": config.betas, "weight_decay": config.weight_decay}
        return KINDS[name](list(model.parameters()), **values)

    assert torch.equal(fitted(lambda model: optimiser_of(model, config)), fitted(usual))


def test_it_imports_nothing_of_torch_compile():
    folder = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", FRESH], cwd=folder, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
