"""Which encoder makes vectors, and how it is run; its spec, parsed here and nowhere else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sortal.configs import ENCODER
from sortal.configs.errors import UsageError, expanded
from sortal.configs.executor import Forward
from sortal.configs.presets import merge, settings_with
from sortal.configs.section import Runtime, Section


class EncoderSpec(NamedTuple):
    """A parsed spec: `conse`, `minilm`, `open_clip:MODEL/PRETRAINED` or `vectors:DIR`.

    `model` is what follows the colon of a model's spec; `where` is DIR, for ready-made vectors
    alone. A kind that no encoder has is refused where encoders are looked up, not here.
    """

    kind: str
    model: str = ""
    where: Path | None = None

    @classmethod
    def parse(cls, text: str) -> "EncoderSpec":
        """The spec that `text` writes."""
        kind, _, rest = text.partition(":")
        if not rest:
            return cls(text)  # `conse:` is no kind
        if kind == "vectors":
            return cls(kind, where=expanded(rest))
        return cls(kind, rest)

    @classmethod
    def of_vectors(cls, folder: Path) -> str:
        """The text of the spec of ready-made vectors in `folder`."""
        return f"vectors:{folder}"


_SURE = 0.65  # [infer] of names by the packaged encoder; docs/methods.md#names


class EncoderConfig(Section):
    """Which encoder, and how it is run."""

    spec: str = ENCODER  # conse | open_clip:MODEL/PRETRAINED | vectors:DIR
    device: Literal["auto", "cpu", "cuda", "mps"] = Runtime("auto")
    batch_size: int = Runtime(64, ge=1, le=65536)  # on a GPU, halved when it runs out of memory
    num_workers: int = Runtime(2, ge=0, le=64)  # processes that decode images for a GPU
    precision: Forward = Runtime("auto")  # of a GPU's products
    compile: bool = Runtime(False)  # a GPU's image network by torch.compile: docs/performance.md
    shard_size: int = Runtime(4096, ge=1, le=1_000_000)  # images a shard: the unit of resuming

    @property
    def parsed(self) -> EncoderSpec:
        """The spec by its parts."""
        return EncoderSpec.parse(self.spec)

    @property
    def vectors(self) -> Path | None:
        """The folder of ready-made vectors; None for an encoder that runs a model."""
        return self.parsed.where


def from_vectors(values: dict[str, Any]) -> dict[str, Any]:
    """`values` with a source `vectors:DIR` as the folder DIR and the encoder `vectors:DIR`.

    A train split `vectors:DIR` is the folder DIR. Raises UsageError where another encoder is given
    as well.
    """
    source, train = values.get("source"), _folder_of(values.get("train"))
    folder, encoder = _folder_of(source), values.get("encoder", {})
    if train is not None:
        values = {**values, "train": str(train)}
    if folder is None or not isinstance(encoder, dict):
        return values
    spec = EncoderSpec.of_vectors(folder)
    given = encoder.get("spec", spec)
    if EncoderSpec.parse(str(given)) != EncoderSpec.parse(spec):
        raise UsageError(
            f"a source {source} is read with the encoder {spec}, got {given}; leave --encoder out, "
            f"or give the folder alone as the source"
        )
    return {**values, "source": str(folder), "encoder": {**encoder, "spec": spec}}


def with_sureness(values: dict[str, Any]) -> dict[str, Any]:
    """`values` with the packaged encoder's own least confidence of names, where none is given."""
    naming = values.get("naming", {})
    if not _is_packaged(values) or not isinstance(naming, dict) or "min_confidence" in naming:
        return values
    return {**values, "naming": {**naming, "min_confidence": _SURE}}


def suited(preset: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A preset's settings that suit the encoder of a run of which `given` are the others."""
    return settings_with(preset, packaged=_is_packaged(merge(preset, given)))


def _is_packaged(values: Mapping[str, Any]) -> bool:
    """Whether a run of these settings encodes its images by the packaged encoder."""
    encoder = values.get("encoder", {})
    if not isinstance(encoder, Mapping | EncoderConfig) or _folder_of(values.get("source")):
        return False  # the former is refused where its type is checked
    spec = encoder.get("spec", ENCODER) if isinstance(encoder, Mapping) else encoder.spec
    return bool(spec == ENCODER)


def _folder_of(place: Any) -> Path | None:
    return EncoderSpec.parse(place).where if isinstance(place, str) else None
