"""Checkpoints: all that a training needs to go on as if it had never stopped, in one safetensors.

Randomness is not in them: each epoch draws from a generator made of the seed and its number.
"""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, safe_open, save_file
from torch import Tensor

from sortal.storage.atomic import atomic_file
from sortal.tasks.heads.method import Method

log = logging.getLogger("sortal")

NAME = "checkpoint.safetensors"


@dataclass
class Progress:
    """How far a training is: epochs done, rows (epoch, name, value) and the last labels.

    `best` is the method's state at the epoch of the best score, in `selection: paper`.
    """

    epoch: int = 0
    history: list[tuple[int, str, float]] = field(default_factory=list)
    labels: Tensor | None = None
    best: dict[str, Tensor] = field(default_factory=dict)
    best_score: float = float("-inf")
    best_epoch: int = -1


def save(folder: Path, method: Method, optimiser: torch.optim.Optimizer, at: Progress) -> None:
    """Write the checkpoint atomically, in the place of the one before."""
    tensors = {f"method.{name}": value for name, value in method.state_dict().items()}
    for number, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{name}": value for name, value in state.items()}
    tensors |= {f"best.{name}": value for name, value in at.best.items()}
    if at.labels is not None:
        tensors["labels"] = at.labels
    facts = {
        "epoch": at.epoch,
        "history": at.history,
        "best": [at.best_score, at.best_epoch],
    }
    with atomic_file(folder / NAME) as temporary:
        plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        save_file(plain, temporary, metadata={"progress": json.dumps(facts)})


def resume(folder: Path, method: Method, optimiser: torch.optim.Optimizer) -> Progress:
    """Put the checkpoint in `folder` into `method` and `optimiser`; a fresh start without one."""
    path = folder / NAME
    if not path.exists():
        return Progress()
    with safe_open(path, framework="pt") as file:
        facts: dict[str, Any] = json.loads(file.metadata()["progress"])
    groups: dict[str, dict[str, Tensor]] = {"method": {}, "optimiser": {}, "best": {}}
    labels = None
    for name, value in load_file(path).items():
        kind, _, rest = name.partition(".")
        if kind == "labels":
            labels = value
        else:
            groups[kind][rest] = value
    method.load_state_dict(groups["method"])
    _restore(optimiser, groups["optimiser"])
    log.info("training resumes after epoch %d", facts["epoch"])
    score, epoch = facts["best"]
    history = [(int(number), str(name), float(value)) for number, name, value in facts["history"]]
    return Progress(facts["epoch"], history, labels, groups["best"], score, epoch)


def _restore(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, _, entry = name.partition(".")
        state.setdefault(int(number), {})[entry] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
