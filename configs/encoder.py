"""Which encoder makes vectors, and how it is run."""

from pathlib import Path
from typing import Literal

from sortal.configs import ENCODER
from sortal.configs.encoder_spec import EncoderSpec
from sortal.configs.section import Runtime, Section


class EncoderConfig(Section):
    """Which encoder, and how it is run."""

    spec: str = ENCODER  # conse | open_clip:MODEL/PRETRAINED | vectors:DIR
    device: Literal["auto", "cpu", "cuda", "mps"] = Runtime("auto")
    batch_size: int = Runtime(64, ge=1, le=65536)  # halved when the GPU runs out of memory
    num_workers: int = Runtime(2, ge=0, le=64)  # processes that decode images
    shard_size: int = Runtime(4096, ge=1, le=1_000_000)  # images a shard: the unit of resuming

    @property
    def parsed(self) -> EncoderSpec:
        """The spec by its parts."""
        return EncoderSpec.parse(self.spec)

    @property
    def vectors(self) -> Path | None:
        """The folder of ready-made vectors; None for an encoder that runs a model."""
        return self.parsed.where
