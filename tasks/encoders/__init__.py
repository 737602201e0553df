"""Encoders: images and texts into one space. `open_encoder` and `describe` are the way in."""

from pathlib import Path

from configs.errors import UsageError
from configs.schema import EncoderConfig
from tasks.encoders import embedded, vectors
from tasks.encoders.base import PLAIN, Encoder, EncoderInfo, templates_of

__all__ = [
    "Encoder",
    "EncoderInfo",
    "describe",
    "describe_text",
    "installed",
    "open_encoder",
    "templates_of",
]

FORMS = "conse, open_clip:MODEL/PRETRAINED or vectors:DIR"


def describe(spec: str) -> EncoderInfo:
    """What is known of an encoder without loading its weights; raises UsageError."""
    kind, _, rest = spec.partition(":")
    if spec == "conse":
        return embedded.describe_conse()
    if kind == "open_clip" and rest:
        from tasks.encoders import clip

        return clip.describe(spec)
    if kind == "vectors" and rest:
        folder = Path(rest)
        fingerprint = vectors.fingerprint_of(folder)
        return EncoderInfo(spec, fingerprint, vectors.dim_of(folder), PLAIN, "ready-made vectors")
    hint = "; minilm embeds texts alone" if spec == "minilm" else ""
    raise UsageError(f"encoder must be {FORMS}, got {spec!r}{hint}; see `sortal encoders`")


def describe_text(spec: str) -> EncoderInfo:
    """What is known of an encoder of texts, which may be none of images; raises UsageError."""
    if spec == "minilm":
        return embedded.describe_minilm()
    if spec != "conse" and not spec.startswith(("open_clip:", "vectors:")):
        raise UsageError(f"an encoder of texts must be minilm, {FORMS}, got {spec!r}")
    return describe(spec)


def open_encoder(config: EncoderConfig) -> Encoder:
    """Load the encoder of a configuration; raises UsageError. `vectors:` has nothing to load."""
    if config.spec == "conse":
        from tasks.encoders.conse import ConseEncoder

        return ConseEncoder(config)
    if config.spec.startswith("open_clip:"):
        from tasks.encoders.clip import OpenClipEncoder

        return OpenClipEncoder(config)
    if config.spec == "minilm":
        from tasks.encoders.minilm import MiniLMEncoder

        return MiniLMEncoder(config)
    raise UsageError(f"encoder must be {FORMS}, got {config.spec!r}; see `sortal encoders`")


def installed() -> list[EncoderInfo]:
    """The encoders that work here without a network; one that is broken says so in its note."""
    from tasks.encoders import clip

    found = []
    for spec in ["conse", "minilm", *clip.downloaded()]:
        try:
            found.append(describe_text(spec))
        except UsageError as error:
            found.append(EncoderInfo(spec, "", 0, PLAIN, str(error)))
    return found
