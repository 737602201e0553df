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
    ENCRYPTED = "encrypted", "a password is needed; not read"
    BOMB = "bomb", "an archive that unpacks to far more than it holds; not read on"
    NESTED = "nested", "an archive in an archive in an archive; one is read inside another"
    MISSING = "missing", "named in the metadata, absent from the source"
    CHANGED = "changed", "changed since it was listed; the next run reads it again"
    UNREACHABLE = "unreachable", "no connection, or no answer in time, after every retry"
    BAD_URL = "bad_url", "no address that can be fetched, such as https://host/name.jpg"
    HTTP_400 = "http_400", "the server refused the request (a status of 400 to 499)"
    HTTP_403 = "http_403", "the server lets nobody in without other credentials (401, 403, 407)"
    HTTP_404 = "http_404", "the server says that there is nothing there (404, 410)"
    HTTP_429 = "http_429", "the server says that there are too many requests, after every retry"
    HTTP_500 = "http_500", "the server failed (a status of 500 to 599), after every retry"

    @classmethod
    def of_status(cls, status: int) -> "Code":
        """The code of an HTTP status that is no success."""
        named = {401: cls.HTTP_403, 403: cls.HTTP_403, 407: cls.HTTP_403, 404: cls.HTTP_404,
                 410: cls.HTTP_404, 408: cls.UNREACHABLE, 425: cls.UNREACHABLE,
                 429: cls.HTTP_429}  # fmt: skip
        return named.get(status) or (cls.HTTP_500 if status >= 500 else cls.HTTP_400)

    @property
    def may_pass(self) -> bool:
        """Whether the same again may succeed, with nothing changed here."""
        return self in (Code.CHANGED, Code.UNREACHABLE, Code.HTTP_429, Code.HTTP_500)


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
