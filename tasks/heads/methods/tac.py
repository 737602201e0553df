"""TAC (Li et al., ICML 2024): heads on images and on noun counterparts teach each other.

METHODS.md 2.4. Clusters are the argmax of the image head after the last epoch.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sortal.configs.heads import HeadConfig
from sortal.tasks.heads.data import Data, draw_neighbours
from sortal.tasks.heads.losses.common import consistency, distillation, entropy
from sortal.tasks.heads.method import Method
from sortal.tasks.heads.networks import mlp_head


class Tac(Method):
    """L = D(Q, P^N) + D(P, Q^N) - mean log(p . q) - 5 (H(mean p) + H(mean q)).

    P, Q are the text and the image head on a batch, P^N and Q^N on a random one of each image's
    neighbours among the counterparts and among the images.
    """

    def __init__(self, config: HeadConfig) -> None:
        super().__init__(config)
        self.config = config.tac
        self.n_neighbours = config.trainer.n_neighbours

    def prepare(self, data: Data) -> None:
        """Both heads, and each image's neighbours in both spaces, itself excluded."""
        self.rows = data.modalities
        width, clusters = self.config.width, data.n_clusters
        heads = {
            name: mlp_head(rows.shape[1], clusters, data.torch_generator(i), width)
            for i, (name, rows) in enumerate((m, self.rows[m]) for m in self.modalities)
        }
        self.image_head, self.text_head = heads["image"], heads["noun"]
        count = self.n_neighbours
        self.neighbours = {name: data.neighbours(name, count) for name in self.modalities}

    def loss(
        self, batch: NDArray[np.int64], epoch: int, draw: np.random.Generator
    ) -> dict[str, Tensor]:
        """Terms distillation, confidence and balance."""
        images, nouns = self.rows["image"], self.rows["noun"]
        numbers = torch.from_numpy(batch)
        near = {m: draw_neighbours(self.neighbours[m], batch, draw) for m in self.modalities}
        p, q = self.text_head(nouns.take(numbers)), self.image_head(images.take(numbers))
        config = self.config
        terms: dict[str, Tensor] = {}
        if config.distillation in ("both", "text_to_image"):
            taught = self.text_head(nouns.take(near["noun"]))
            terms["distillation_image"] = distillation(q, taught, config.temperature)
        if config.distillation in ("both", "image_to_text"):
            taught = self.image_head(images.take(near["image"]))
            terms["distillation_text"] = distillation(p, taught, config.temperature)
        if config.confidence:
            terms["confidence"] = consistency(p, q)
        if config.balance:
            terms["balance"] = -config.balance * (entropy(p) + entropy(q))
        return terms

    def probabilities(self, block: dict[str, Tensor]) -> Tensor:
        """The image head's."""
        out: Tensor = self.image_head(block["image"])
        return out
