"""MCA (Qiu et al., AAAI 2024): SIC's head and a head on nouns, aligned on three levels.

docs/methods.md#mca-equations: the paper's equations are not public.
"""

import logging
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sortal.configs.heads import HeadConfig, McaConfig
from sortal.tasks.heads.data import Data
from sortal.tasks.heads.losses.common import consistency, cross_entropy
from sortal.tasks.heads.losses.mca import (
    Prototypes,
    attention,
    confident,
    image_prototypes,
    noun_prototypes,
    prototype_alignment,
    soft_target,
)
from sortal.tasks.heads.methods.noun_space import Hierarchy, NounSpace, noun_space
from sortal.tasks.heads.methods.sic import (
    Sic,
    nearest_texts,
    semantic_centres,
    slices,
    specific_texts,
)

log = logging.getLogger("sortal")

NOUN_HEAD = 2  # what randomness is for, after SIC's


class Mca(Sic):
    """L = L_I + b1 L_ins + b2 L_pro + b3 L_sem, where SIC is L_I and the images' half of L_sem.

    Nouns have a head of their own, p = softmax(linear(v)), that starts as the images' head does.
    Clusters are the argmax of the images' head.
    """

    near: Tensor  # (C, k_p): nouns nearest to each cluster's image prototype
    nouns_of: Tensor  # (n, k_S): nouns nearest to each image
    noun_pseudo: Tensor  # (m,): pseudo-labels of the nouns

    def __init__(self, config: HeadConfig) -> None:
        super().__init__(config)
        self.config: McaConfig = config.mca

    def facts(self) -> dict[str, Any]:
        """How the semantic space came about."""
        return {"n_nouns": len(self.space.numbers), **self.space.facts}

    def prepare(self, data: Data) -> None:
        """SIC's preparation, the nouns' head, and what both sides are adapted by."""
        super().prepare(data)
        self.noun_head = self._head(data, NOUN_HEAD)
        if self.config.adapt:
            dim = self.images.shape[1]
            self.image_adapter, self.noun_adapter = adapter(dim), adapter(dim)

    def restore(self, weights: dict[str, Tensor]) -> None:
        """The images' head and adapter."""
        super().restore(weights)
        if self.config.adapt:
            self.image_adapter = adapter(len(weights["image_adapter.weight"]))
            self.image_adapter.load_state_dict({"weight": weights["image_adapter.weight"]})

    def _texts(self, data: Data) -> Tensor:
        """The semantic space: SIC's nouns, filtered by the hierarchy."""
        config, texts = self.config, data.spaces["noun"]
        kept = specific_texts(texts, config.uniqueness)
        self.space: NounSpace = noun_space(
            self._centres(data),
            texts.vectors[kept].cpu().numpy(),
            config,
            hierarchy_of(texts.table, kept) if config.hierarchy else None,
        )
        log.info("mca: %s", ", ".join(f"{k} {v}" for k, v in self.facts().items()))
        return texts.vectors[kept[self.space.numbers]]

    def _seen(self, images: Tensor) -> Tensor:
        """normalise(u + a A u) of images."""
        share = self.config.adapt
        return adapted(images, self.image_adapter, share) if share else images

    def _read(self, nouns: Tensor) -> Tensor:
        """normalise(v + a A' v) of nouns (..., dim)."""
        share = self.config.adapt
        return adapted(nouns, self.noun_adapter, share) if share else nouns

    def _words(self) -> Tensor:
        return self._read(self.texts)

    @torch.no_grad()
    def start_epoch(self, epoch: int) -> dict[str, float]:
        """Nouns of each image and cluster, and pseudo-labels of images and nouns by their means."""
        words, count = self._words(), self.config.instance_nouns
        if self.config.instance:
            images = (self._seen(rows) for _, rows in slices(self.images))
            self.nouns_of = torch.cat([nearest_texts(rows, words, count) for rows in images])
        self.near = self._near()
        self.noun_pseudo = (words @ semantic_centres(words, self.near).T).argmax(dim=1)
        return self._relabel(self.near, epoch)

    def _noun_scores(self, nouns: Tensor) -> Tensor:
        """p (..., C) of nouns (..., dim)."""
        out: Tensor = self.noun_head(self.config.scale * nouns)
        return out

    def loss(
        self, batch: NDArray[np.int64], epoch: int, draw: np.random.Generator
    ) -> dict[str, Tensor]:
        """SIC's terms, and instance, prototype and noun_pseudo_labels."""
        rows = self.images.take(torch.from_numpy(batch))
        q, images = self._scores(rows), self._seen(rows)
        terms = self._terms(q, batch, draw)
        config = self.config
        if config.instance:
            terms["instance"] = config.instance * self._instance(images, q, batch)
        if config.prototype:
            terms["prototype"] = config.prototype * self._prototype(images, q)
        if config.pseudo_labels:
            chosen = torch.from_numpy(draw.integers(len(self.texts), size=len(batch)))
            chosen = chosen.to(self.texts.device)
            p = self._noun_scores(self._read(self.texts[chosen]))
            wrong = cross_entropy(p, self.noun_pseudo[chosen])
            terms["noun_pseudo_labels"] = config.pseudo_labels * wrong
        return terms

    def _instance(self, images: Tensor, q: Tensor, batch: NDArray[np.int64]) -> Tensor:
        """L_ins = -mean_i log(q_i . p~_i), p~_i the attended mean of the image's nouns."""
        nouns, p = self._nouns(self.nouns_of[torch.from_numpy(batch).to(q.device)])
        weights = attention(images, nouns, self.config.attention)
        return consistency(q, soft_target(weights, p))

    def _nouns(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """The nouns `numbers` (b, k), (b, k, dim), and p of each, (b, k, C); each is read once."""
        known, places = torch.unique(numbers, return_inverse=True)
        nouns = self._read(self.texts[known])
        return nouns[places], self._noun_scores(nouns)[places]

    def _prototype(self, images: Tensor, q: Tensor) -> Tensor:
        """L_pro between the batch's image prototypes and those of each cluster's nouns."""
        nouns, scores = self._nouns(self.near)
        own = torch.arange(len(nouns), device=nouns.device)
        p = scores[own, :, own]
        chosen = confident(q, self.config.top_images)
        both = Prototypes(image_prototypes(images, q, chosen), noun_prototypes(nouns, p))
        return prototype_alignment(both, self.config.temperature)


def adapter(dim: int) -> nn.Linear:
    """A linear map that adds nothing yet."""
    layer = nn.Linear(dim, dim, bias=False)
    nn.init.zeros_(layer.weight)
    return layer


def adapted(rows: Tensor, layer: nn.Linear, share: float) -> Tensor:
    """normalise(x + a A x) of rows (..., dim), a = `share`."""
    return nn.functional.normalize(rows + share * layer(rows), dim=-1)


def hierarchy_of(table: pa.Table, numbers: NDArray[np.int64]) -> Hierarchy:
    """Where the nouns `numbers` of a space's table stand in WordNet."""
    rows = table.select(["synset", "depth"]).take(pa.array(numbers))
    return Hierarchy.of(rows["synset"].to_pylist(), rows["depth"].to_pylist())
