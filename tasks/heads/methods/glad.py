"""GLAD (Zhu et al., AAAI 2026): modalities of an image meet in a common space, at two levels.

docs/methods.md#glad. Clusters are the argmax of the predicted labels, averaged over an image's
modalities.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sortal.configs.heads import HeadConfig
from sortal.configs.partition import PartitionConfig
from sortal.tasks.clustering.kmeans import kmeans
from sortal.tasks.heads.data import BLOCK, Data, Matrix, has_row, write_matrix
from sortal.tasks.heads.losses.glad import divergence, local_alignment, similarities, transport_loss
from sortal.tasks.heads.method import Method
from sortal.tasks.heads.networks import projector
from sortal.tasks.transport.exact_pass import Columns, dense_plan

KMEANS, PREDICTOR, PROJECTORS = 0, 1, 2  # what randomness is for

Rows = dict[str, Tensor]  # a block of images by modality, (b, dim), zero rows where missing


class Glad(Method):
    """L = 0.5 L_GSA + 0.5 L_LSA over M modalities, h_i^m = unit(g_m(x_i^m)), h_i their unit mean.

    L_GSA = sum_m KL(q^m || y^m) + L_OT^m: q^m is the transport plan between the mini-batch and
    the k-means centres of all h_i, which are found again every epoch. L_LSA draws h_i^m to h_i and
    from the other images, the less the more these look like i.
    """

    centres: Tensor  # (n_clusters, width), unit: k-means of the common representation

    def __init__(self, config: HeadConfig) -> None:
        super().__init__(config)
        self.config = config.glad
        self.figures: dict[str, Any] = {}

    def facts(self) -> dict[str, Any]:
        """How many images have each modality."""
        return self.figures

    def prepare(self, data: Data) -> None:
        """A projector for each modality, and the label predictor they share."""
        self.data = data
        config = self.config
        self.projectors = nn.ModuleDict(
            {
                name: projector(
                    data.modalities[name].shape[1],
                    config.width,
                    data.torch_generator(PROJECTORS + number),
                    config.hidden,
                )
                for number, name in enumerate(self.modalities)
            }
        )
        generator = data.torch_generator(PREDICTOR)
        self.predictor = projector(config.width, data.n_clusters, generator, hidden=0)
        self.register_buffer("centres", torch.zeros(data.n_clusters, config.width))
        self.figures = {f"n_{name}": count_rows(data.modalities[name]) for name in self.modalities}

    def restore(self, weights: dict[str, Tensor]) -> None:
        """The networks of a finished training."""
        made = {}
        for name in self.modalities:
            first, *rest = (weights[key] for key in _layers(weights, f"projectors.{name}."))
            hidden = len(first) if rest else 0
            width = len(rest[-1] if rest else first)
            made[name] = projector(first.shape[1], width, torch.Generator(), hidden)
        self.projectors = nn.ModuleDict(made)
        n_clusters, width = weights["centres"].shape
        self.predictor = projector(width, n_clusters, torch.Generator(), hidden=0)
        self.register_buffer("centres", torch.zeros(n_clusters, width))
        self.load_state_dict(weights)

    def project(self, rows: Rows) -> Rows:
        """Unit h^m (b, width) of each modality; a row that is missing is zero."""
        return {
            name: functional.normalize(self.projectors[name](block), dim=1)
            * has_row(block)[:, None]
            for name, block in rows.items()
        }

    @torch.no_grad()
    def start_epoch(self, epoch: int) -> dict[str, float]:
        """k-means on the common representation of all images, from the last epoch's centres."""
        data, config = self.data, self.config
        path = data.scratch / "common.npy"
        path.unlink(missing_ok=True)
        blocks = (common_of(self.project(rows)).cpu().numpy() for rows in self._blocks())
        write_matrix(path, (data.n_images, config.width), blocks)
        found = kmeans(
            Matrix(path, data.device),
            data.n_clusters,
            PartitionConfig(n_init=config.n_init),
            random_state=int(data.generator(KMEANS).integers(2**31)),
            centres=self.centres.cpu().numpy() if epoch else None,
        )
        self.centres.copy_(torch.from_numpy(found.centres))
        return {"distance": float(found.distances.mean())}

    def loss(
        self, batch: NDArray[np.int64], epoch: int, draw: np.random.Generator
    ) -> dict[str, Tensor]:
        """Terms labels and transport of L_GSA, and local."""
        config = self.config
        numbers = torch.from_numpy(batch)
        rows = {name: self.data.modalities[name].take(numbers) for name in self.modalities}
        known = {name: has_row(block) for name, block in rows.items()}
        known = {name: mask for name, mask in known.items() if mask.sum() > 1}
        projected = self.project(rows)
        common = common_of(projected)
        terms: dict[str, Tensor] = {}
        if config.global_weight:
            parts = [self._global(projected[m][mask], common[mask]) for m, mask in known.items()]
            for name in parts[0]:
                total = torch.stack([part[name] for part in parts]).sum()
                terms[name] = config.global_weight * total
        if config.local_weight:
            weights = self._weights(rows, projected)
            each = [
                self._local(common[mask], projected[name][mask], weights[mask][:, mask])
                for name, mask in known.items()
            ]
            terms["local"] = config.local_weight * torch.stack(each).sum()
        return terms

    def _local(self, common: Tensor, modality: Tensor, weights: Tensor) -> Tensor:
        """L_LSA of the rows that one modality has."""
        config = self.config
        return local_alignment(
            common, modality, weights, config.temperature, positive=config.positive
        )

    def _global(self, modality: Tensor, common: Tensor) -> dict[str, Tensor]:
        """L_kl and L_OT of the rows that one modality has."""
        scores = modality @ self.centres.T
        target = self._target(scores, common)
        terms = {}
        if self.config.labels:
            terms["labels"] = divergence(target, self._labels(modality))
        if self.config.joint != "none":
            terms["transport"] = transport_loss(scores, target)
        return terms

    @torch.no_grad()
    def _target(self, scores: Tensor, common: Tensor) -> Tensor:
        """q (b, K): constant soft assignments of one modality's rows to the centres."""
        config, count = self.config, len(self.centres)
        if config.joint == "none":
            nearest = (common @ self.centres.T).argmax(dim=1)
            return functional.one_hot(nearest, count).to(scores.dtype)
        masses = torch.full((count,), 1.0 / count, dtype=torch.float64, device=scores.device)
        columns = Columns(masses, balance=float(config.joint == "transport"))
        plan = dense_plan(scores, columns, config.epsilon, config.tol, config.max_iter)
        return plan if config.rows == "rownorm" else (plan / len(plan)).softmax(dim=1)

    @torch.no_grad()
    def _weights(self, rows: Rows, projected: Rows) -> Tensor:
        """s (b, b)."""
        source = list((rows if self.config.similarity == "input" else projected).values())
        if not self.config.weights:
            return source[0].new_zeros(len(source[0]), len(source[0]))
        return similarities([functional.normalize(block, dim=1) for block in source])

    def _labels(self, modality: Tensor) -> Tensor:
        """y (b, K) of rows, from h scaled to the norm of a standardised row."""
        scores: Tensor = self.predictor(modality * modality.shape[1] ** 0.5)
        return scores.softmax(dim=1)

    def probabilities(self, block: Rows) -> Tensor:
        """Labels averaged over an image's modalities, or nearness to the centres of k-means."""
        projected = self.project({name: block[name] for name in self.modalities if name in block})
        if self.config.predict == "centres":
            scores = common_of(projected) @ self.centres.T
            return (scores / self.config.epsilon).softmax(dim=1)
        known = torch.stack([has_row(rows).float() for rows in projected.values()])
        labels = torch.stack([self._labels(rows) for rows in projected.values()])
        shares = known / known.sum(dim=0).clamp_min(1.0)
        mean = torch.einsum("mb,mbk->bk", shares, labels)
        # An image without any modality has no label; it is as likely to be of any cluster.
        alike = torch.full_like(mean, 1 / mean.shape[1])
        return torch.where(known.any(dim=0)[:, None], mean, alike)

    def _blocks(self) -> Iterator[Rows]:
        for start in range(0, self.data.n_images, BLOCK):
            stop = start + BLOCK
            yield {name: self.data.modalities[name].slice(start, stop) for name in self.modalities}


def common_of(projected: Rows) -> Tensor:
    """h (b, width): the unit mean of the modalities that an image has."""
    return functional.normalize(torch.stack(list(projected.values())).sum(dim=0), dim=1)


def count_rows(rows: Matrix) -> int:
    """How many images have the modality."""
    starts = range(0, rows.shape[0], BLOCK)
    return sum(int(has_row(rows.slice(start, start + BLOCK)).sum()) for start in starts)


def _layers(weights: dict[str, Tensor], prefix: str) -> list[str]:
    return [name for name in weights if name.startswith(prefix) and name.endswith("weight")]
