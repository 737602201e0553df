"""Further modalities of an image: what is known of it besides its pixels, each under a name."""

import re
from collections.abc import Iterable
from typing import Literal

from pydantic import model_validator

from sortal.configs.errors import UsageError
from sortal.configs.section import Section

BUILT_IN = ("image", "noun", "caption")  # the image's own vector and its counterparts
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class ModalityConfig(Section):
    """One further modality: where it comes from, and how it becomes vectors."""

    # column: a text column of the source's metadata. captions: what the run's captioner writes.
    # vectors: ready-made ones from Parquet files.
    kind: Literal["column", "captions", "vectors"]
    column: str | None = None  # default: the modality's own name
    source: str | None = None  # a Parquet file (key or file_name, vector), or a folder of them
    encoder: str = "minilm"  # of texts: minilm | conse | open_clip:MODEL/PRETRAINED | vectors:DIR

    @model_validator(mode="after")
    def _whole(self) -> "ModalityConfig":
        if (self.source is None) == (self.kind == "vectors"):
            raise UsageError(
                f"a modality of kind {self.kind} must "
                f"{'have' if self.source is None else 'not have'} a source, got {self.source!r}; "
                "a source is the Parquet file of ready-made vectors"
            )
        return self


def check_names(names: Iterable[str]) -> None:
    """Raise `UsageError` for a modality's name that is taken, or no plain word."""
    for name in names:
        if name in BUILT_IN or not _NAME.fullmatch(name):
            raise UsageError(
                "a modality's name must be lower-case letters, digits and _, and none of "
                f"{', '.join(BUILT_IN)}, got {name!r}; call it title, audio, ..."
            )
