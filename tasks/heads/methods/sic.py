"""SIC (Cai et al., AAAI 2023): a linear head taught by neighbours and by semantic centres.

docs/methods.md#sic. The nearest nouns of each image centre are chosen by the step `select`.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sortal.configs.errors import UsageError
from sortal.configs.heads import HeadConfig, SicConfig
from sortal.configs.partition import PartitionConfig
from sortal.storage.rows import FloatArray
from sortal.tasks.clustering.kmeans import kmeans
from sortal.tasks.heads.data import BLOCK, Data, Matrix, TextSpace, draw_neighbours
from sortal.tasks.heads.losses.common import consistency, cross_entropy, entropy
from sortal.tasks.heads.method import Method
from sortal.tasks.heads.networks import linear_head, linear_head_at

HEAD, KMEANS = 0, 1  # what randomness is for


class Sic(Method):
    """L = -mean log(q . q_nn) - lambda H(mean q) + beta CE(q, pseudo-label)."""

    pseudo: Tensor

    def __init__(self, config: HeadConfig) -> None:
        super().__init__(config)
        self.config: SicConfig = config.sic
        self.n_neighbours = config.trainer.n_neighbours

    def prepare(self, data: Data) -> None:
        """The head, neighbours (each image is one of its own), and the nouns that say something."""
        self.images, self.n_clusters = data.modalities["image"], data.n_clusters
        self.neighbours = data.neighbours("image", self.n_neighbours, include_self=True)
        if data.spaces:
            self.texts = self._texts(data)
        self.head = self._head(data, HEAD)
        self.register_buffer("pseudo", torch.full((data.n_images,), -1, dtype=torch.int64))

    def _texts(self, data: Data) -> Tensor:
        space = data.spaces["noun"]
        return space.vectors[specific_texts(space, self.config.uniqueness)]

    def _head(self, data: Data, purpose: int) -> torch.nn.Sequential:
        config = self.config
        if config.initialise == "centres":
            centres = config.scale * torch.from_numpy(self._centres(data))
            return linear_head_at(centres, config.sharpness)
        return linear_head(self.images.shape[1], self.n_clusters, data.torch_generator(purpose))

    def _centres(self, data: Data) -> FloatArray:
        """Centres (C, dim) of the images by plain k-means (docs/methods.md#sic-image-centres)."""
        seed = int(data.generator(KMEANS).integers(2**32))
        config = PartitionConfig(spherical=False, n_init=self.config.n_init)

        def make() -> FloatArray:
            return kmeans(self.images, self.n_clusters, config, random_state=seed).centres

        return np.array(data.cached("centres", make))

    def start_epoch(self, epoch: int) -> dict[str, float]:
        """Pseudo-labels from the semantic centres of the clusters as they are now."""
        return self._relabel(self._near(), epoch) if self.config.pseudo_labels else {}

    def _near(self) -> Tensor:
        """Numbers (C, top_nouns) of the nouns nearest to each cluster's image prototype.

        See docs/methods.md#sic-pseudo-labels.
        """
        count = max(int(len(self.pseudo) / self.n_clusters * self.config.top_images), 1)
        best = top_rows(self._scores, self.images, count)
        images = prototypes(self.images, best, self._seen)
        return nearest_texts(images, self._words(), self.config.top_nouns)

    def _relabel(self, near: Tensor, epoch: int) -> dict[str, float]:
        """Pseudo-labels by the means of the nouns `near` each cluster; how many images kept theirs.

        Labels are not needed for that share: it compares epochs.
        """
        centres = semantic_centres(self._words(), near)
        seen = ((self._seen(rows) @ centres.T).argmax(dim=1) for _, rows in slices(self.images))
        fresh = torch.cat(list(seen))
        same = float((fresh == self.pseudo).float().mean())
        self.pseudo.copy_(fresh)
        return {"pseudo_agreement": same} if epoch else {}

    def _seen(self, images: Tensor) -> Tensor:
        """Images as they are compared: here as they are."""
        return images

    def _words(self) -> Tensor:
        """The nouns of the semantic space as they are compared."""
        return self.texts

    def _scores(self, images: Tensor) -> Tensor:
        out: Tensor = self.head(self.config.scale * self._seen(images))
        return out

    def loss(
        self, batch: NDArray[np.int64], epoch: int, draw: np.random.Generator
    ) -> dict[str, Tensor]:
        """Terms consistency, balance and pseudo_labels."""
        numbers = torch.from_numpy(batch)
        return self._terms(self._scores(self.images.take(numbers)), batch, draw)

    def _terms(
        self, q: Tensor, batch: NDArray[np.int64], draw: np.random.Generator
    ) -> dict[str, Tensor]:
        """The terms of `loss`, for the probabilities q (b, C) of the batch."""
        near = draw_neighbours(self.neighbours, batch, draw)
        config = self.config
        terms: dict[str, Tensor] = {}
        if config.consistency:
            terms["consistency"] = consistency(q, self._scores(self.images.take(near)))
        if config.balance:
            terms["balance"] = -config.balance * entropy(q)
        if config.pseudo_labels:
            labels = self.pseudo[torch.from_numpy(batch).to(self.pseudo.device)]
            terms["pseudo_labels"] = config.pseudo_labels * cross_entropy(q, labels)
        return terms

    def probabilities(self, block: dict[str, Tensor]) -> Tensor:
        """The head's."""
        return self._scores(block["image"])


def specific_texts(space: TextSpace, uniqueness: float) -> NDArray[np.int64]:
    """Numbers (m,) of texts whose cosine with the corpus's mean is below 1 - `uniqueness`.

    See docs/methods.md#sic-semantic-space.

    Raises `UsageError` when that is none.
    """
    kept = np.flatnonzero(space.generality < 1.0 - uniqueness)
    if not len(kept):
        raise UsageError(
            "no noun is left: all have a cosine with the mean noun of at least 1 - uniqueness = "
            f"{1.0 - uniqueness:g}; lower the head's uniqueness"
        )
    return kept


def slices(rows: Matrix) -> Iterator[tuple[int, Tensor]]:
    """Consecutive (first row, rows) on the training device."""
    for start in range(0, rows.shape[0], BLOCK):
        yield start, rows.slice(start, start + BLOCK)


@torch.no_grad()
def top_rows(scores: Callable[[Tensor], Tensor], rows: Matrix, count: int) -> Tensor:
    """Row numbers (C, count) of the highest scores of each cluster, in one streamed pass."""
    best = number = None
    for start, block in slices(rows):
        fresh = scores(block).T
        numbers = torch.arange(start, start + len(block), device=fresh.device).expand_as(fresh)
        both = fresh if best is None else torch.cat([best, fresh], dim=1)
        known = numbers if number is None else torch.cat([number, numbers], dim=1)
        best, places = both.topk(min(count, both.shape[1]), dim=1)
        number = known.gather(1, places)
    assert number is not None
    return number


def prototypes(rows: Matrix, numbers: Tensor, seen: Callable[[Tensor], Tensor]) -> Tensor:
    """Unit means (C, dim) of the rows `numbers` (C, count) (docs/methods.md#sic-pseudo-labels)."""
    means = torch.stack([seen(rows.take(chosen.cpu())).mean(dim=0) for chosen in numbers])
    return torch.nn.functional.normalize(means, dim=1)


def nearest_texts(queries: Tensor, texts: Tensor, count: int) -> Tensor:
    """Numbers (n, count) of the texts of the largest cosine, the nearest first; no more than are.

    `queries` (n, dim) and `texts` (m, dim) are unit rows.
    """
    return (queries @ texts.T).topk(min(count, len(texts)), dim=1).indices


def semantic_centres(texts: Tensor, near: Tensor) -> Tensor:
    """Unit means (C, dim) of the texts `near` (C, count) (docs/methods.md#sic-pseudo-labels)."""
    return torch.nn.functional.normalize(texts[near].mean(dim=1), dim=1)
