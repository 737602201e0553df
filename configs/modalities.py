"""Further views of each image: what else is known of it beside its pixels, each under a name."""

import re
from collections.abc import Iterable
from typing import Literal

from pydantic import model_validator

from sortal.configs.errors import UsageError
from sortal.configs.section import Section

BUILT_IN = ("image", "noun", "caption")  # the image's own vector and its counterparts
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class ViewConfig(Section):
    """One further view: where it comes from, and how it becomes vectors."""

    # column: a text column of the source's metadata. captions: what the run's captioner writes.
    # vectors: ready-made ones from Parquet files.
    kind: Literal["column", "captions", "vectors"]
    column: str | None = None  # default: the view's own name
    source: str | None = None  # a Parquet file (key or file_name, vector), or a folder of them
    encoder: str = "minilm"  # of texts: minilm | conse | open_clip:MODEL/PRETRAINED | vectors:DIR

    @model_validator(mode="after")
    def _whole(self) -> "ViewConfig":
        if (self.source is None) == (self.kind == "vectors"):
            raise UsageError(
                f"a view of kind {self.kind} must {'have' if self.source is None else 'not have'} "
                f"a source, got {self.source!r}; a source is the Parquet file of ready-made vectors"
            )
        return self


def check_names(names: Iterable[str]) -> None:
    """Raise `UsageError` for a view's name that is taken, or no plain word."""
    for name in names:
        if name in BUILT_IN or not _NAME.fullmatch(name):
            raise UsageError(
                "a view's name must be lower-case letters, digits and _, and none of "
                f"{', '.join(BUILT_IN)}, got {name!r}; call it title, audio, ..."
            )
