"""The encoders there are, by the kind of their spec: `open_encoder` and `describe` are the way in.

A new encoder is a module with a describer and a class, and a line in each of the two tables here.
"""

from collections.abc import Callable

from sortal.configs.encoder import EncoderConfig, EncoderSpec
from sortal.configs.errors import UsageError
from sortal.tasks.encoders import embedded, vectors
from sortal.tasks.encoders.base import PLAIN, Encoder, EncoderInfo
from sortal.tasks.encoders.hub import check_within_reach

FORMS = "conse, open_clip:MODEL/PRETRAINED or vectors:DIR"
TEXT_ONLY = ("minilm",)


def _clip(spec: str) -> EncoderInfo:
    check_within_reach(spec)
    from sortal.tasks.encoders import clip  # imports open_clip, which takes seconds

    return clip.describe(spec)


def _open_conse(config: EncoderConfig) -> Encoder:
    from sortal.tasks.encoders.conse import ConseEncoder

    return ConseEncoder(config)


def _open_clip(config: EncoderConfig) -> Encoder:
    from sortal.tasks.encoders.clip import OpenClipEncoder

    return OpenClipEncoder(config)


def _open_minilm(config: EncoderConfig) -> Encoder:
    from sortal.tasks.encoders.minilm import MiniLMEncoder

    return MiniLMEncoder(config)


_DESCRIBE: dict[str, Callable[[str], EncoderInfo]] = {
    "conse": lambda _: embedded.describe_conse(),
    "minilm": lambda _: embedded.describe_minilm(),
    "open_clip": _clip,
    "vectors": vectors.describe,
}
_OPEN: dict[str, Callable[[EncoderConfig], Encoder]] = {
    "conse": _open_conse,
    "minilm": _open_minilm,
    "open_clip": _open_clip,
}


def _is_whole(spec: str) -> bool:
    """Whether a spec is of a known kind, with a model or folder where its kind has one."""
    kind, model, where = EncoderSpec.parse(spec)
    return kind in _DESCRIBE and bool(model or where) == (kind in ("open_clip", "vectors"))


def describe(spec: str) -> EncoderInfo:
    """What is known of an encoder without loading its weights; raises UsageError."""
    kind = EncoderSpec.parse(spec).kind
    if not _is_whole(spec) or kind in TEXT_ONLY:
        hint = "; minilm embeds texts alone" if spec == "minilm" else ""
        raise UsageError(f"encoder must be {FORMS}, got {spec!r}{hint}; see `sortal encoders`")
    return _DESCRIBE[kind](spec)


def describe_text(spec: str) -> EncoderInfo:
    """What is known of an encoder of texts, which may be none of images; raises UsageError."""
    kind = EncoderSpec.parse(spec).kind
    if kind not in _DESCRIBE:
        raise UsageError(f"an encoder of texts must be minilm, {FORMS}, got {spec!r}")
    return _DESCRIBE[kind](spec) if kind in TEXT_ONLY and _is_whole(spec) else describe(spec)


def open_encoder(config: EncoderConfig) -> Encoder:
    """Load the encoder of a configuration; raises UsageError. `vectors:` has nothing to load."""
    kind = config.parsed.kind
    if kind not in _OPEN or not _is_whole(config.spec):
        raise UsageError(f"encoder must be {FORMS}, got {config.spec!r}; see `sortal encoders`")
    return _OPEN[kind](config)


def installed() -> list[EncoderInfo]:
    """The encoders that work here without a network; one that is broken says so in its note."""
    from sortal.tasks.encoders import clip

    found = []
    for spec in ["conse", "minilm", *clip.downloaded()]:
        try:
            found.append(describe_text(spec))
        except UsageError as error:
            found.append(EncoderInfo(spec, "", 0, PLAIN, str(error)))
    return found
