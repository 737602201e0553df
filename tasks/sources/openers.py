"""Containers where they lie: as files of a place, or as members of another container."""

from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

from sortal.tasks.containers.base import Container, Opener
from sortal.tasks.containers.packed import Packed
from sortal.tasks.containers.registry import HEAD, Kind, kind_by_bytes, kind_by_name
from sortal.tasks.containers.streams import kept_stream
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.places.base import File, Place
from sortal.tasks.sources.kinds import Role, says_image
from sortal.tasks.sources.sniff import SNIFFED, is_picture

_UNKNOWN = 1 << 62  # bytes: more than there can be


@dataclass(frozen=True)
class FileOpener:
    """Opens a file of a place; equal while its size, time and version are."""

    place: Place
    path: str
    bytes: int
    mtime_ns: int
    version: str | None = None

    @classmethod
    def of(cls, place: Place, file: File) -> "FileOpener":
        """The opener of a file as it is now; raises ImageError where it cannot be opened."""
        if file.error_code:
            raise ImageError(file.error_code, file.error or "")
        return cls(place, file.path, file.bytes, file.mtime_ns, file.version)

    @property
    def name(self) -> str:
        """The file's base name."""
        return self.path.rpartition("/")[2]

    def __call__(self) -> BinaryIO:
        """A new stream of the file."""
        return self.place.open(self.path)


@dataclass(frozen=True)
class MemberOpener:
    """Opens a member of a container, which is one itself."""

    outer: Opener
    container: Container
    path: str
    offset: int
    size: int

    @property
    def name(self) -> str:
        """The member's base name."""
        return self.path.rpartition("/")[2]

    @property
    def bytes(self) -> int:
        """Its size, as far as it is known before it is read."""
        return self.size or (_UNKNOWN if isinstance(self.container, Packed) else 0)

    def __call__(self) -> BinaryIO:
        """A new stream of the member."""
        return self.container.open(self.outer, self.path, self.offset, self.size)


def head_of(opener: Opener, size: int = HEAD) -> bytes:
    """The bytes that a file begins with; raises ImageError."""
    stream = kept_stream(opener)
    try:
        stream.seek(0)
        return stream.read(size)
    except OSError as error:
        raise ImageError(Code.UNREADABLE, error.strerror or "") from error


@lru_cache(maxsize=256)
def kind_of_container(opener: Opener) -> Kind | None:
    """What a file is as a container: by its bytes, then by its name; None: it is a picture.

    Raises ImageError for what cannot be read, and for what is neither.
    """
    head = head_of(opener)
    if not head:
        raise ImageError(Code.ZERO_BYTE)
    kind = kind_by_bytes(head)
    if kind is None and is_picture(head):
        return None
    kind = kind or kind_by_name(opener.name)
    if kind is None:
        raise ImageError(Code.UNSUPPORTED_FORMAT, "its bytes are of no kind that is read")
    return kind


def role_of_bytes(opener: Opener) -> Role:
    """What a file with an odd name is by its bytes; raises ImageError where it cannot be read.

    Where its name says image nevertheless, it is one, if a broken one.
    """
    head = head_of(opener, SNIFFED)
    if is_picture(head):
        return Role.IMAGE
    if kind_by_bytes(head):
        return Role.CONTAINER
    return Role.IMAGE if says_image(opener.name) else Role.OTHER
