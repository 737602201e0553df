"""What can be wrong with an input: the codes, the exception, and the record of a lost image."""

from enum import StrEnum
from typing import NamedTuple


class Code(StrEnum):
    """Every reason why an input is not used; `.meaning` explains it in a line."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> "Code":
        """A member of the value `code`."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    ZERO_BYTE = "zero_byte", "the file holds no bytes"
    TRUNCATED = "truncated", "the file ends before the image does"
    DAMAGED = "damaged", "the bytes contradict the image format they begin with"
    NOT_AN_IMAGE = "not_an_image", "the name ends like an image's, the bytes are none"
    UNSUPPORTED_FORMAT = "unsupported_format", "an image or document format that is not read"
    TOO_LARGE = "too_large", "more bytes than images.max_bytes; not read"
    TOO_MANY_PIXELS = "too_many_pixels", "more pixels than images.max_pixels; not decoded"
    UNREADABLE = "unreadable", "permission denied, or the disk failed"
    NOT_A_FILE = "not_a_file", "a folder, pipe, socket or device with an image's name"
    OUTSIDE_ROOT = "outside_root", "a link or name that leads out of the source; not read"
    BROKEN_LINK = "broken_link", "a link to nothing"
    LINK_LOOP = "link_loop", "a link that leads back to itself"
    BAD_NAME = "bad_name", "a name that is not UTF-8, so no table can hold it"
    MISSING = "missing", "named in the metadata, absent from the source"


class ImageError(Exception):
    """One input is unusable. `code` is a `Code`, `message` a line for people."""

    def __init__(self, code: Code | str, message: str = "") -> None:
        self.code = Code(code)  # type: ignore[call-arg]
        self.message = message or self.code.meaning
        super().__init__(self.code.value, self.message)


class Failure(NamedTuple):
    """An image without a vector. `lasting`: its bytes are to blame, so trying again is no use."""

    key: str
    error_code: str
    error: str
    lasting: bool
