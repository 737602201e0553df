"""What every encoder is: a fingerprint, a dimension, a transform, and two ways to make vectors."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from sortal.configs.encoder import EncoderSpec
from sortal.configs.errors import UsageError
from sortal.configs.schema import CaptionsConfig, NounsConfig
from sortal.storage.rows import FloatArray
from sortal.tasks.encoders.text_batches import Advance, silent

PLAIN = ("{}",)
CHOOSING = ("a {}",)  # of a corpus from which few texts are kept [infer]
SIC_TEMPLATES = ("a photo of a {}",)
TAC_TEMPLATES = (  # docs/methods.md#prompt-templates, the ensemble of CLIP's own zero-shot notebook
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)

LISTED = {  # of a list of ours (`nouns.names`), for encoders that want a sentence [infer]
    "scene": ("a photo of a {}.",),
    "action": ("a photo of someone {}.",),
    "colour": ("a photo of something {}.",),
    "material": ("a photo of something made of {}.",),
    "style": ("a {}.",),
}


class EncoderInfo(NamedTuple):
    """What is known of an encoder without loading it.

    `fingerprint` covers weights, preprocessing and tokenizer; `templates` are its default
    prompts for nouns; `note` is a line for people.
    """

    spec: str
    fingerprint: str
    dim: int
    templates: tuple[str, ...]
    note: str = ""


class Encoder(Protocol):
    """A loaded encoder: a fingerprint, a dimension, and images and texts into vectors.

    Several threads may encode images at the same time.
    """

    fingerprint: str
    dim: int
    device: str
    cpu_batch: int  # images that go through together on a CPU: what its caches hold

    @property
    def transform(self) -> Callable[[Any], Any]:
        """PIL image -> tensor of shape (3, h, w). Picklable."""

    def encode_images(self, batch: Any) -> FloatArray:
        """Tensor of shape (b, 3, h, w) -> unit vectors of shape (b, dim)."""

    def encode_texts(self, texts: list[str], advance: Advance = silent) -> FloatArray:
        """Raw, not normalised, vectors of shape (b, dim), in the order given.

        `advance(n)` is called after each n of them.
        """


def templates_of(section: NounsConfig | CaptionsConfig, encoder: EncoderInfo) -> tuple[str, ...]:
    """The prompt templates of a corpus under an encoder. Captions and ready vectors have none.

    Nor do named ones apply to an encoder that was taught no such sentences, as `conse`, which
    compares words: they are a paper's, for CLIP.
    """
    if isinstance(section, CaptionsConfig) or EncoderSpec.parse(encoder.spec).where:
        return PLAIN
    chosen = section.templates
    if isinstance(chosen, str) and encoder.templates == PLAIN:
        return PLAIN
    own = LISTED.get(section.names) or encoder.templates
    named = {"auto": own, "tac": TAC_TEMPLATES, "sic": SIC_TEMPLATES}
    templates = named[chosen] if isinstance(chosen, str) else tuple(chosen)
    wrong = next((template for template in templates if template.count("{}") != 1), None)
    if wrong is not None or not templates:
        raise UsageError(
            f"nouns.templates must each hold one {{}} for the noun, got {wrong!r};"
            " use auto, tac, sic or a list such as ['a photo of a {}.']"
        )
    return templates


def selection_templates_of(
    section: NounsConfig | CaptionsConfig, encoder: EncoderInfo
) -> tuple[str, ...]:
    """The templates by which texts of a corpus are chosen, before those chosen take all of theirs.

    Where nobody asked for an ensemble it is one prompt, which saves most of the work.
    """
    templates = templates_of(section, encoder)
    asked = isinstance(section, CaptionsConfig) or section.templates != "auto"
    return templates if asked or len(templates) == 1 else CHOOSING


def device_of(name: str) -> str:
    """The torch device of a setting; auto takes CUDA, then MPS, then the CPU."""
    import torch

    usable = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(device for device, there in usable.items() if there)
    if not usable[name]:
        raise UsageError(f"encoder.device must be usable here, got {name}; use auto or cpu")
    return name


def unit(vectors: FloatArray) -> FloatArray:
    """Rows scaled to unit length, float32."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(norms, 1e-12)).astype(np.float32)
