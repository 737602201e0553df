"""The encoder of a run: opened once a process, and only with the weights it was described by."""

from functools import lru_cache
from typing import NamedTuple

from sortal.configs.encoder import EncoderConfig
from sortal.configs.errors import RunError
from sortal.tasks.encoders.base import Encoder
from sortal.tasks.encoders.registry import open_encoder
from sortal.tasks.silence import doing


class PinnedEncoder(NamedTuple):
    """An encoder's settings, and the fingerprint it had when the run began."""

    config: EncoderConfig
    fingerprint: str

    def open(self) -> Encoder:
        """The encoder, loaded; raises RunError where its fingerprint is another by now."""
        return _opened(self)


@lru_cache(maxsize=1)
def _opened(pinned: PinnedEncoder) -> Encoder:
    doing(f"loading the encoder {pinned.config.spec}")
    encoder = open_encoder(pinned.config)
    if encoder.fingerprint != pinned.fingerprint:
        spec = pinned.config.spec
        raise RunError(f"the weights of {spec} must not change during a run; start it again")
    return encoder
