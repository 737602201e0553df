"""SIC (Cai et al., AAAI 2023): a linear head taught by neighbours and by semantic centres.

METHODS.md 7. The nearest nouns of each image centre (7.2 a) are chosen by the step `select`.
"""

from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from configs.errors import UsageError
from configs.heads import HeadConfig
from tasks.heads.data import BLOCK, Data, Matrix, TextSpace, draw_neighbours
from tasks.heads.losses import consistency, cross_entropy, entropy
from tasks.heads.method import Method
from tasks.heads.networks import linear_head
from tasks.kmeans import kmeans

HEAD, KMEANS = 0, 1  # what randomness is for


class Sic(Method):
    """L = -mean log(q . q_nn) - lambda H(mean q) + beta CE(q, pseudo-label)."""

    views: ClassVar[tuple[str, ...]] = ("image",)
    spaces: ClassVar[tuple[str, ...]] = ("noun",)
    pseudo: Tensor

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.config = config.sic
        self.n_neighbours = config.trainer.n_neighbours

    def prepare(self, data: Data) -> None:
        """The head, neighbours (each image is one of its own), and the nouns that say something."""
        self.images, self.n_clusters = data.views["image"], data.n_clusters
        self.neighbours = data.neighbours("image", self.n_neighbours, include_self=True)
        self.texts = telling_texts(data.spaces["noun"], self.config.uniqueness)
        self.head = self._head(data)
        self.register_buffer("pseudo", torch.full((data.n_images,), -1, dtype=torch.int64))

    def _head(self, data: Data) -> torch.nn.Sequential:
        config, dim = self.config, self.images.shape[1]
        centres = None
        if config.initialise == "centres":
            seed = int(data.generator(KMEANS).integers(2**32))
            start = data.cached(
                "centres",
                lambda: (
                    kmeans(
                        self.images,
                        self.n_clusters,
                        spherical=False,
                        n_init=config.n_init,
                        random_state=seed,
                    ).centres
                ),
            )
            centres = config.scale * torch.tensor(start)
        generator = data.torch_generator(HEAD)
        return linear_head(dim, self.n_clusters, generator, centres, config.sharpness)

    def start_epoch(self, epoch: int) -> dict[str, float]:
        """Pseudo-labels from the semantic centres of the clusters as they are now."""
        if not self.config.pseudo_labels:
            return {}
        count = max(int(len(self.pseudo) / self.n_clusters * self.config.top_images), 1)
        images = prototypes(self.images, top_rows(self._scores, self.images, count))
        centres = semantic_centres(images, self.texts, self.config.top_nouns)
        fresh = torch.cat([(rows @ centres.T).argmax(dim=1) for _, rows in slices(self.images)])
        same = float((fresh == self.pseudo).float().mean())
        self.pseudo.copy_(fresh)
        return {"pseudo_agreement": same} if epoch else {}

    def _scores(self, images: Tensor) -> Tensor:
        out: Tensor = self.head(self.config.scale * images)
        return out

    def loss(
        self, batch: NDArray[np.int64], epoch: int, draw: np.random.Generator
    ) -> dict[str, Tensor]:
        """Terms consistency, balance and pseudo_labels."""
        numbers = torch.from_numpy(batch)
        near = draw_neighbours(self.neighbours, batch, draw)
        q = self._scores(self.images.take(numbers))
        config = self.config
        terms: dict[str, Tensor] = {}
        if config.consistency:
            terms["consistency"] = consistency(q, self._scores(self.images.take(near)))
        if config.balance:
            terms["balance"] = -config.balance * entropy(q)
        if config.pseudo_labels:
            labels = self.pseudo[numbers.to(self.pseudo.device)]
            terms["pseudo_labels"] = config.pseudo_labels * cross_entropy(q, labels)
        return terms

    def probabilities(self, block: dict[str, Tensor]) -> Tensor:
        """The head's."""
        return self._scores(block["image"])


def telling_texts(space: TextSpace, uniqueness: float) -> Tensor:
    """Texts (m, dim) whose cosine with the corpus's mean is below 1 - `uniqueness` (7.2 b)."""
    kept = np.flatnonzero(space.generality < 1.0 - uniqueness)
    if not len(kept):
        raise UsageError(
            "no noun is left: all have a cosine with the mean noun of at least 1 - "
            f"head.sic.uniqueness = {1.0 - uniqueness:g}; lower head.sic.uniqueness"
        )
    return space.vectors[torch.from_numpy(kept).to(space.vectors.device)]


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


def prototypes(rows: Matrix, numbers: Tensor) -> Tensor:
    """Unit means (C, dim) of the rows `numbers` (C, count) (7.4)."""
    means = torch.stack([rows.take(chosen.cpu()).mean(dim=0) for chosen in numbers])
    return torch.nn.functional.normalize(means, dim=1)


def semantic_centres(images: Tensor, texts: Tensor, count: int) -> Tensor:
    """Unit means (C, dim) of the `count` texts nearest to each image prototype (C, dim) (7.4)."""
    nearest = (images @ texts.T).topk(min(count, len(texts)), dim=1).indices
    return torch.nn.functional.normalize(texts[nearest].mean(dim=1), dim=1)
