"""The embedded encoder: EfficientNet-Lite0 joined to MiniLM through ImageNet's class names.

After ConSE (Norouzi et al., 2014, arXiv 1312.5650): an image is the sum of the class names'
whitened text vectors, weighted by its class scores; a text is its whitened text vector.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps

from sortal.configs.encoder import EncoderConfig
from sortal.configs.errors import UsageError
from sortal.storage.hashing import hash_strings
from sortal.storage.rows import FloatArray
from sortal.tasks.devices.running import Running
from sortal.tasks.encoders import minilm
from sortal.tasks.encoders.base import device_of, unit
from sortal.tasks.encoders.efficientnet import efficientnet_lite0
from sortal.tasks.encoders.embedded import (
    AXES,
    CLASS_NAMES,
    DIM,
    POWER,
    SHRINKAGE,
    SIZE,
    classifier_file,
    describe_conse,
)
from sortal.tasks.encoders.tables import CLASSES, read_table
from sortal.tasks.encoders.text_batches import Advance, silent


@dataclass(frozen=True)
class CropToTensor:
    """PIL image -> uint8 tensor (3, size, size): the largest central square, bicubic."""

    size: int

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Cut and resize in one go."""
        square = ImageOps.fit(image, (self.size, self.size), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(square)).permute(2, 0, 1)


def class_axes(weight: FloatArray, dim: int, power: float) -> FloatArray:
    """The class space's main axes, shape (n_classes, dim), from a classifier's last layer.

    With weight = U S V^T (each column's mean removed), the axes are U_k (S_k / S_1)^-power:
    directions that many classes share are damped, those beyond `dim` dropped as noise. Signs
    are arbitrary, so only axes @ axes.T may be used.
    """
    centred = weight.astype(np.float64) - weight.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    axes = left * (values / values[0]) ** -power
    return axes[:, :dim].astype(np.float32)


class Whitening(NamedTuple):
    """Text vectors made as unlike as can be: `mean` (dim,) and `map` (dim, dim)."""

    mean: FloatArray
    map: FloatArray

    @classmethod
    def of(cls, names: FloatArray, shrinkage: float) -> "Whitening":
        """Fitted on the class names, of shape (n, dim)."""
        mean = unit(names).mean(axis=0)
        values, axes = np.linalg.eigh(np.cov((unit(names) - mean).T))
        scaled = axes / np.sqrt(values + shrinkage * values.mean())
        return cls(mean, (scaled @ axes.T).astype(np.float32))  # symmetric: alike on any machine

    def __call__(self, texts: FloatArray) -> FloatArray:
        """Unit vectors of shape (n, dim)."""
        centred = unit(texts) - self.mean
        return unit(np.asarray(centred @ self.map, np.float32))


class Classes(NamedTuple):
    """What the class names decide: `mixture` (1000, dim) takes class scores to text vectors."""

    whiten: Whitening
    mixture: FloatArray

    @classmethod
    def of(cls, model: minilm.MiniLM) -> "Classes":
        """From the names' text vectors; damped along the axes that all classes share."""
        names = model.embed(class_names())
        whiten = Whitening.of(names, SHRINKAGE)
        axes = class_axes(read_weights()["_fc.weight"].numpy(), AXES, POWER)
        return cls(whiten, np.asarray(axes @ (axes.T @ whiten(names)), np.float32))

    @classmethod
    def packaged(cls, encoder: str) -> "Classes | None":
        """Those that come with the package, where they were made with this encoder."""
        table = read_table(CLASSES, encoder)
        if table is None:
            return None
        return cls(Whitening(table["mean"], table["map"]), table["mixture"])


class ConseEncoder:
    """Images come as uint8 tensors of shape (b, 3, 224, 224). Each network loads when needed."""

    def __init__(self, config: EncoderConfig) -> None:
        self.fingerprint = describe_conse().fingerprint
        self.dim = DIM
        self.cpu_batch = 4  # [infer] docs/performance.md#embedding-on-a-cpu
        self.transform = CropToTensor(SIZE)
        self.device = device_of(config.device)
        self.running = Running.on(self.device, config)
        self._loading = threading.Lock()

    @cached_property
    def _classifier(self) -> Any:
        return self.running.ready(load_classifier())

    @cached_property
    def text_model(self) -> minilm.MiniLM:
        """The sentence encoder behind `encode_texts`."""
        return minilm.MiniLM(self.device)

    @cached_property
    def _classes(self) -> Classes:
        return Classes.packaged(self.fingerprint) or Classes.of(self.text_model)

    def encode_images(self, batch: torch.Tensor) -> FloatArray:
        """Unit vectors of shape (b, dim): class scores, centred, mix the class names' vectors."""
        with self._loading:
            classifier, mixture = self._classifier, self._classes.mixture
        logits = self._logits(classifier, batch).cpu()
        centred = logits - logits.mean(dim=1, keepdim=True)
        # By torch: numpy's product has other bits with another number of threads.
        return unit((centred @ torch.from_numpy(mixture)).numpy())

    @torch.inference_mode()
    def _logits(self, classifier: Any, batch: torch.Tensor) -> torch.Tensor:
        pixels = self.running.pixels(batch).float()
        with self.running.autocast():
            logits: torch.Tensor = classifier(pixels / 127.5 - 1.0)
        return logits.float()

    def encode_texts(self, texts: list[str], advance: Advance = silent) -> FloatArray:
        """Whitened text vectors of shape (b, dim)."""
        return self._classes.whiten(self.text_model.embed(texts, advance))


def read_weights() -> dict[str, torch.Tensor]:
    """The checked tensors of the package's checkpoint, in the order of its layers."""
    path = classifier_file()
    state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def load_classifier() -> torch.nn.Module:
    """EfficientNet-Lite0 with the package's weights: pixels in [-1, 1] -> 1,000 logits."""
    return efficientnet_lite0(read_weights().values())


def class_names() -> Sequence[str]:
    """ImageNet's 1,000 class names as curated for CLIP, in class order."""
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

    if hash_strings(IMAGENET_CLASSNAMES) != CLASS_NAMES:
        raise UsageError(
            "encoder conse needs open_clip's list of ImageNet class names as Sortal knows it;"
            " this version of open_clip_torch has another; pip install 'open_clip_torch<5'"
        )
    return IMAGENET_CLASSNAMES
