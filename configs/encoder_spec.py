"""The spec of an encoder, parsed: no other module looks at the text before its colon."""

from pathlib import Path
from typing import NamedTuple


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
            return cls(kind, where=Path(rest).expanduser())
        return cls(kind, rest)

    @classmethod
    def of_vectors(cls, folder: Path) -> str:
        """The text of the spec of ready-made vectors in `folder`."""
        return f"vectors:{folder}"
