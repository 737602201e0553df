"""TURTLE (Gadetsky et al., ICML 2024): labels that linear classifiers find easy in every space.

docs/methods.md#turtle. Clusters are the argmax of the task encoders' labels, averaged over an
image's spaces.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sortal.configs.heads import HeadConfig, TurtleConfig
from sortal.tasks.heads.data import Data, has_row
from sortal.tasks.heads.losses.common import entropy
from sortal.tasks.heads.losses.turtle import Adam, descend, disagreement
from sortal.tasks.heads.method import Method

TASKS, CLASSIFIERS = 0, 100  # what randomness is for, from the first space on

Rows = dict[str, Tensor]  # a block of images by space, (b, dim), zero rows where missing


class TaskEncoder(nn.Module):
    """Weight-normalised linear layer and softmax, rows (b, dim) -> (b, n_clusters)."""

    def __init__(self, dim: int, n_clusters: int, generator: torch.Generator) -> None:
        super().__init__()
        self.direction = nn.Parameter(uniform(n_clusters, dim, generator))
        self.length = nn.Parameter(self.direction.detach().norm(dim=1, keepdim=True))

    def forward(self, rows: Tensor) -> Tensor:
        """Probabilities of rows."""
        weight = self.length * functional.normalize(self.direction, dim=1)
        return (rows @ weight.T).softmax(dim=1)


class Turtle(Method):
    """L = sum_r CE(w_r z_r, tau) - gamma sum_r H(mean softmax(theta_r z_r)), z_r of length `scale`.

    tau, the mean over spaces r of softmax(theta_r z_r), are the labels; the classifiers w_r take a
    few steps towards them before each of theirs, and are constants in L.
    """

    def __init__(self, config: HeadConfig) -> None:
        super().__init__(config)
        self.config: TurtleConfig = config.turtle
        self.rate = config.trainer.lr

    def prepare(self, data: Data) -> None:
        """A task encoder and a classifier for each space."""
        self.rows, clusters = data.modalities, data.n_clusters
        self.tasks = nn.ModuleDict()
        for number, name in enumerate(self.modalities):
            dim = self.rows[name].shape[1]
            own = data.torch_generator(TASKS + number)
            self.tasks[name] = TaskEncoder(dim, clusters, own)
            first = uniform(clusters, dim + 1, data.torch_generator(CLASSIFIERS + number))
            self.register_buffer(f"classifier_{name}", first)
            for part, value in Adam.of(first)._asdict().items():
                self.register_buffer(f"{part}_{name}", value)

    def restore(self, weights: dict[str, Tensor]) -> None:
        """The task encoders of a finished training."""
        self.tasks = nn.ModuleDict()
        for name in self.modalities:
            direction = weights[f"tasks.{name}.direction"]
            encoder = TaskEncoder(direction.shape[1], len(direction), torch.Generator())
            prefix = f"tasks.{name}."
            encoder.load_state_dict({part: weights[prefix + part] for part in encoder.state_dict()})
            self.tasks[name] = encoder

    def loss(
        self, batch: NDArray[np.int64], epoch: int, draw: np.random.Generator
    ) -> dict[str, Tensor]:
        """Terms classification and balance."""
        numbers = torch.from_numpy(batch)
        rows = self._scaled({name: self.rows[name].take(numbers) for name in self.modalities})
        known = {name: has_row(block) for name, block in rows.items()}
        own = {name: self.tasks[name](block) for name, block in rows.items()}
        labels = self._labels(own, known)
        terms: dict[str, Tensor] = {}
        wrong, spread = [], []
        for name, block in rows.items():
            seen = known[name]
            if not bool(seen.any()):
                continue
            weights = self._taught(name, block[seen], labels[seen].detach())
            wrong.append(disagreement(block[seen], weights, labels[seen]))
            spread.append(entropy(own[name][seen]))
        terms["classification"] = torch.stack(wrong).sum()
        if self.config.balance:
            terms["balance"] = -self.config.balance * torch.stack(spread).sum()
        return terms

    @torch.no_grad()
    def _taught(self, name: str, rows: Tensor, labels: Tensor) -> Tensor:
        """The classifier of a space (n_clusters, dim + 1) after `inner_steps` towards `labels`."""
        weights: Tensor = getattr(self, f"classifier_{name}")
        state = Adam(*(getattr(self, f"{part}_{name}") for part in Adam._fields))
        for _ in range(self.config.inner_steps):
            descend(weights, state, rows, labels, self.rate)
        return weights

    def _scaled(self, rows: Rows) -> Rows:
        return {name: self.config.scale * block for name, block in rows.items()}

    def _labels(self, own: Rows, known: Rows) -> Tensor:
        """tau (b, n_clusters): the mean over the spaces that an image has; uniform without any."""
        count = torch.stack(list(known.values())).sum(dim=0)[:, None]
        total = torch.stack([own[name] * known[name][:, None] for name in own]).sum(dim=0)
        alike = torch.full_like(total, 1 / total.shape[1])
        return torch.where(count > 0, total / count.clamp_min(1), alike)

    def probabilities(self, block: Rows) -> Tensor:
        """The labels tau."""
        rows = self._scaled({name: block[name] for name in self.modalities if name in block})
        known = {name: has_row(part) for name, part in rows.items()}
        return self._labels({name: self.tasks[name](part) for name, part in rows.items()}, known)


def uniform(n_rows: int, dim: int, generator: torch.Generator) -> Tensor:
    """Weights as PyTorch's linear layers begin."""
    bound = dim**-0.5
    return torch.empty(n_rows, dim).uniform_(-bound, bound, generator=generator)
