"""GLAD (Zhu et al., AAAI 2026): views of one image meet in a common space, globally and locally.

METHODS.md 6. Clusters are the argmax of the predicted labels, averaged over an image's views.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sortal.configs.heads import HeadConfig
from sortal.configs.schema import PartitionConfig
from sortal.tasks.clustering.kmeans import kmeans
from sortal.tasks.heads.data import BLOCK, Data, Matrix, present, write_matrix
from sortal.tasks.heads.losses.glad import divergence, local_alignment, similarities, transport_loss
from sortal.tasks.heads.method import Method
from sortal.tasks.heads.networks import projector
from sortal.tasks.transport.exact_pass import Columns, dense_plan

KMEANS, PREDICTOR, PROJECTORS = 0, 1, 2  # what randomness is for

Rows = dict[str, Tensor]  # a block of images by view, (b, dim), zero rows where missing


class Glad(Method):
    """L = 0.5 L_GSA + 0.5 L_LSA over M views, h_i^m = unit(g_m(x_i^m)), h_i the unit mean of them.

    L_GSA = sum_m KL(q^m || y^m) + L_OT^m: q^m is the transport plan between the mini-batch and
    the k-means centres of all h_i, which are found anew every epoch. L_LSA draws h_i^m to h_i and
    from the other images, the less the more these look like i.
    """

    centres: Tensor  # (n_clusters, width), unit: k-means of the common representation

    def __init__(self, config: HeadConfig) -> None:
        super().__init__(config)
        self.config = config.glad
        self.figures: dict[str, Any] = {}

    def facts(self) -> dict[str, Any]:
        """How many images have each view."""
        return self.figures

    def prepare(self, data: Data) -> None:
        """A projector for each view, and the label predictor they share."""
        self.data = data
        config = self.config
        self.projectors = nn.ModuleDict(
            {
                view: projector(
                    data.views[view].shape[1],
                    config.width,
                    data.torch_generator(PROJECTORS + number),
                    config.hidden,
                )
                for number, view in enumerate(self.views)
            }
        )
        self.predictor = projector(config.width, data.n_clusters, data.torch_generator(PREDICTOR))
        self.register_buffer("centres", torch.zeros(data.n_clusters, config.width))
        self.figures = {f"n_{view}": count_present(data.views[view]) for view in self.views}

    def restore(self, weights: dict[str, Tensor]) -> None:
        """The networks of a finished training."""
        made = {}
        for view in self.views:
            first, *rest = (weights[name] for name in _layers(weights, f"projectors.{view}."))
            hidden = len(first) if rest else 0
            width = len(rest[-1] if rest else first)
            made[view] = projector(first.shape[1], width, torch.Generator(), hidden)
        self.projectors = nn.ModuleDict(made)
        n_clusters, width = weights["centres"].shape
        self.predictor = projector(width, n_clusters, torch.Generator())
        self.register_buffer("centres", torch.zeros(n_clusters, width))
        self.load_state_dict(weights)

    def project(self, rows: Rows) -> Rows:
        """Unit h^m (b, width) of each view; a row that is missing is zero."""
        return {
            view: functional.normalize(self.projectors[view](block), dim=1)
            * present(block)[:, None]
            for view, block in rows.items()
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
            Matrix(path),
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
        rows = {view: self.data.views[view].take(numbers) for view in self.views}
        there = {view: present(block) for view, block in rows.items()}
        there = {view: mask for view, mask in there.items() if mask.sum() > 1}
        projected = self.project(rows)
        common = common_of(projected)
        terms: dict[str, Tensor] = {}
        if config.global_weight:
            parts = [self._global(projected[v][mask], common[mask]) for v, mask in there.items()]
            for name in parts[0]:
                total = torch.stack([part[name] for part in parts]).sum()
                terms[name] = config.global_weight * total
        if config.local_weight:
            weights = self._weights(rows, projected)
            parts_ = [
                local_alignment(
                    common[mask],
                    projected[view][mask],
                    weights[mask][:, mask],
                    config.temperature,
                    positive=config.positive,
                )
                for view, mask in there.items()
            ]
            terms["local"] = config.local_weight * torch.stack(parts_).sum()
        return terms

    def _global(self, view: Tensor, common: Tensor) -> dict[str, Tensor]:
        """L_kl and L_OT of the rows that one view has."""
        scores = view @ self.centres.T
        target = self._target(scores, common)
        terms = {}
        if self.config.labels:
            terms["labels"] = divergence(target, self._labels(view))
        if self.config.joint != "none":
            terms["transport"] = transport_loss(scores, target)
        return terms

    @torch.no_grad()
    def _target(self, scores: Tensor, common: Tensor) -> Tensor:
        """q (b, K): constant soft assignments of one view's rows to the centres."""
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

    def _labels(self, view: Tensor) -> Tensor:
        """y (b, K) of rows that are there, from h scaled to the norm of a standardised row."""
        scores: Tensor = self.predictor(view * view.shape[1] ** 0.5)
        return scores.softmax(dim=1)

    def probabilities(self, block: Rows) -> Tensor:
        """Labels averaged over an image's views, or nearness to the centres of k-means."""
        projected = self.project({view: block[view] for view in self.views if view in block})
        if self.config.predict == "centres":
            scores = common_of(projected) @ self.centres.T
            return (scores / self.config.epsilon).softmax(dim=1)
        there = torch.stack([present(rows).float() for rows in projected.values()])
        labels = torch.stack([self._labels(rows) for rows in projected.values()])
        shares = there / there.sum(dim=0).clamp_min(1.0)
        mean = torch.einsum("mb,mbk->bk", shares, labels)
        # An image without any view has no label; it is as likely to be of any cluster.
        return torch.where(
            there.any(dim=0)[:, None], mean, torch.full_like(mean, 1 / mean.shape[1])
        )

    def _blocks(self) -> Any:
        for start in range(0, self.data.n_images, BLOCK):
            stop = start + BLOCK
            yield {view: self.data.views[view].slice(start, stop) for view in self.views}


def common_of(projected: Rows) -> Tensor:
    """h (b, width): the unit mean of the views that an image has."""
    return functional.normalize(torch.stack(list(projected.values())).sum(dim=0), dim=1)


def count_present(rows: Matrix) -> int:
    """How many rows of a view are there."""
    starts = range(0, rows.shape[0], BLOCK)
    return sum(int(present(rows.slice(start, start + BLOCK)).sum()) for start in starts)


def _layers(weights: dict[str, Tensor], prefix: str) -> list[str]:
    return [name for name in weights if name.startswith(prefix) and name.endswith("weight")]
