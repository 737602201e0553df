"""SAC (Zhang et al., AAAI 2026): heads on images and captions; pairs count as far as they agree.

METHODS.md 5. Clusters are the argmax of the image head after the last epoch.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sortal.configs.heads import HeadConfig
from sortal.storage.rows import FloatArray
from sortal.tasks.clustering.neighbours import nearest_neighbours
from sortal.tasks.heads.data import BLOCK, Data, Matrix, draw_neighbours, has_row, write_matrix
from sortal.tasks.heads.losses.common import entropy
from sortal.tasks.heads.losses.sac import Pair, agreement, alignment, contrast, weights
from sortal.tasks.heads.method import Method
from sortal.tasks.heads.networks import mlp_head, projected_head

IMAGE_HEAD, TEXT_HEAD = 0, 1  # what randomness is for
_PAIRS = ("intra", "image_to_text", "text_to_image")


class Sac(Method):
    """L = L_intra + L_inter + lambda_a L_a + lambda_b L_b.

    q and p are the image head on images and the text head on captions; r is a random neighbour of
    an image by its caption, s one by the image. A missing caption is a zero row: its p is 0, it
    agrees with nothing, and no term teaches by it.
    """

    def __init__(self, config: HeadConfig) -> None:
        super().__init__(config)
        self.config = config.sac
        self.n_neighbours = config.trainer.n_neighbours

    def facts(self) -> dict[str, Any]:
        """How many images have a caption."""
        return {"n_told": self.n_captioned}  # the name that stored runs have it under

    def prepare(self, data: Data) -> None:
        """Both heads, and each image's neighbours by image and by caption, itself excluded."""
        self.images, self.captions = (data.modalities[name] for name in self.modalities)
        width, clusters = self.config.width, data.n_clusters
        image_draw, text_draw = (data.torch_generator(i) for i in (IMAGE_HEAD, TEXT_HEAD))
        self.image_head = mlp_head(self.images.shape[1], clusters, image_draw, width)
        self.text_head = projected_head(self.captions.shape[1], clusters, text_draw, width)
        captioned = CaptionedRows(self.captions)
        self.n_captioned = len(captioned.numbers)
        self.by_image = data.neighbours("image", self.n_neighbours)
        self.by_text = data.cached(
            f"neighbours-captions-{self.n_neighbours}", lambda: self._by_text(captioned)
        )

    def _by_text(self, captioned: "CaptionedRows") -> NDArray[np.int32]:
        """Neighbours among captions; an image without one has those of the image."""
        found = captioned.numbers[nearest_neighbours(captioned, self.n_neighbours)]
        out: NDArray[np.int32] = np.array(self.by_image[:, : found.shape[1]])
        out[captioned.numbers] = found
        return out

    def _text_probabilities(self, numbers: Tensor) -> Tensor:
        """p (b, C) of images; zeros where the caption is missing."""
        rows = self.captions.take(numbers)
        out: Tensor = self.text_head(rows) * has_row(rows)[:, None]
        return out

    def loss(
        self, batch: NDArray[np.int64], epoch: int, draw: np.random.Generator
    ) -> dict[str, Tensor]:
        """Terms intra, image_to_text, text_to_image, alignment and balance."""
        numbers = torch.from_numpy(batch)
        r, s = (draw_neighbours(found, batch, draw) for found in (self.by_text, self.by_image))
        q, q_r, q_s = (self.image_head(self.images.take(rows)) for rows in (numbers, r, s))
        p, p_r, p_s = (self._text_probabilities(rows) for rows in (numbers, r, s))
        pairs = {
            "intra": (Pair(q, q_r), Pair(p, p_s)),
            "image_to_text": (Pair(q, p_r), Pair(p, q_s)),
            "text_to_image": (Pair(p, q_s), Pair(q, p_r)),
        }
        return self._contrasts(pairs) | self._others(p, q)

    def _contrasts(self, pairs: dict[str, tuple[Pair, Pair]]) -> dict[str, Tensor]:
        config = self.config
        used = [name for name in _PAIRS if name != "text_to_image" or config.third_term]
        terms: dict[str, Tensor] = {}
        for name in used if config.contrast else ():
            own, other = pairs[name]
            w = both = (own.a.any(dim=1) & own.b.any(dim=1)).float()
            if config.weighted:
                w = both * self._weights(own, other)
            terms[name] = contrast(own, w, config.temperature, mask_self=config.mask_self)
        return terms

    def _weights(self, own: Pair, other: Pair) -> Tensor:
        config = self.config
        settings = {"alpha": config.alpha, "temperature": config.temperature, "scale": config.scale}
        w = weights(own, other, **settings)
        return w if config.weights_learn else w.detach()

    def _others(self, p: Tensor, q: Tensor) -> dict[str, Tensor]:
        config, known = self.config, p.any(dim=1)
        terms: dict[str, Tensor] = {}
        if not known.any():  # a batch without a caption
            return {"balance": -config.balance * entropy(q)} if config.balance else {}
        if config.alignment:
            terms["alignment"] = config.alignment * alignment(p[known], q[known], config.beta)
        if config.balance:
            terms["balance"] = -config.balance * (entropy(p[known]) + entropy(q))
        return terms

    def probabilities(self, block: dict[str, Tensor]) -> Tensor:
        """The image head's."""
        out: Tensor = self.image_head(block["image"])
        return out

    @torch.no_grad()
    def per_image(self, data: Data) -> dict[str, FloatArray]:
        """`weight` (n,): the mean of the three pairs' weights over all of an image's neighbours.

        NaN where the caption is missing. The pairs' own are in `weight_intra`, ...
        """
        self.eval()
        q, p = (self._all(data, name) for name in ("image", "text"))
        found: dict[str, list[FloatArray]] = {name: [] for name in _PAIRS}
        size = max(BLOCK // self.by_image.shape[1], 1)
        for start in range(0, data.n_images, size):
            rows = np.arange(start, min(start + size, data.n_images))
            for name, w in self._mean_weights(rows, q, p).items():
                found[name].append(w.cpu().numpy())
        each = {name: np.concatenate(parts) for name, parts in found.items()}
        return {
            "weight": np.mean(list(each.values()), axis=0, dtype=np.float32),
            **{f"weight_{name}": values for name, values in each.items()},
        }

    def _all(self, data: Data, name: str) -> Matrix:
        """Probabilities (n, C) of all images under a head, in the scratch folder."""
        path = data.scratch / f"probabilities-{name}.npy"
        path.unlink(missing_ok=True)
        write_matrix(path, (data.n_images, data.n_clusters), self._probability_blocks(data, name))
        return Matrix(path, data.device)

    def _probability_blocks(self, data: Data, name: str) -> Iterator[FloatArray]:
        for start in range(0, data.n_images, BLOCK):
            numbers = torch.arange(start, min(start + BLOCK, data.n_images))
            if name == "text":
                yield self._text_probabilities(numbers).cpu().numpy()
            else:
                yield self.image_head(self.images.take(numbers)).cpu().numpy()

    def _mean_weights(self, rows: NDArray[np.int64], q: Matrix, p: Matrix) -> dict[str, Tensor]:
        """Mean weights (b,) by pair of the images `rows`, over all of their neighbours."""
        numbers = torch.from_numpy(rows)
        own_q, own_p = q.take(numbers), p.take(numbers)
        near = {name: torch.from_numpy(np.array(found[rows], np.int64)) for name, found in
                (("r", self.by_text), ("s", self.by_image))}  # fmt: skip

        def mean(own: Tensor, of: Matrix, by: str) -> Tensor:
            count = near[by].shape[1]
            pair = Pair(own.repeat_interleave(count, dim=0), of.take(near[by].reshape(-1)))
            config = self.config
            return agreement(pair, config.temperature, config.scale).reshape(-1, count).mean(dim=1)

        alpha = self.config.alpha
        means = {"q_r": mean(own_q, q, "r"), "p_s": mean(own_p, p, "s")}
        means |= {"q_pr": mean(own_q, p, "r"), "p_qs": mean(own_p, q, "s")}
        sides = {"intra": ("q_r", "p_s"), "image_to_text": ("q_pr", "p_qs")}
        sides |= {"text_to_image": ("p_qs", "q_pr")}
        lacking = ~own_p.any(dim=1)
        return {
            name: (alpha * means[own] + (1 - alpha) * means[other]).masked_fill(lacking, torch.nan)
            for name, (own, other) in sides.items()
        }


class CaptionedRows:
    """`Rows` of the captions that are not missing, and `numbers` (m,), the images they are of."""

    def __init__(self, captions: Matrix) -> None:
        self._captions = captions
        known = [rows.any(axis=1) for rows in captions.blocks(BLOCK)]
        self.numbers = np.flatnonzero(np.concatenate(known)).astype(np.int32)

    @property
    def shape(self) -> tuple[int, int]:
        """(m, dim)."""
        return len(self.numbers), self._captions.shape[1]

    def blocks(self, size: int) -> Iterator[FloatArray]:
        """Consecutive blocks of at most `size` rows, float32."""
        for start in range(0, len(self.numbers), size):
            numbers = torch.from_numpy(self.numbers[start : start + size].astype(np.int64))
            yield self._captions.take(numbers).cpu().numpy()
