"""What a container is: its members are listed once, then read by their offset or in one pass."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, NamedTuple, Protocol

import pyarrow as pa

MEMBERS = pa.schema(
    [
        ("path", pa.string()),
        ("bytes", pa.int64()),
        ("offset", pa.int64()),
        ("error_code", pa.string()),
        ("error", pa.string()),
        ("label", pa.string()),
    ]
)
BATCH = 65_536  # members held as Python objects at a time


class Opener(Hashable, Protocol):
    """Opens a container's bytes, wherever they lie: a file, an object, a member of another.

    Hashable and picklable. Equal openers open equal bytes, since a changed file has another size
    or time: what is read once (an index, an open reader) may be kept by its opener.
    """

    @property
    def name(self) -> str:
        """The container's base name."""

    @property
    def bytes(self) -> int:
        """The container's size."""

    def __call__(self) -> BinaryIO:
        """A new seekable stream, which the caller closes; raises ImageError."""


class Member(NamedTuple):
    """One member as it is listed.

    `path` is relative to the container and printable. `offset` is where its bytes begin, or its
    row in a table. `bytes` is 0 where the size is known only once it is read.
    """

    path: str
    bytes: int
    offset: int | None
    error_code: str | None = None
    error: str | None = None
    label: str | None = None  # what a table says of its image


class Columns(NamedTuple):
    """Which columns of a table count, where the user names them: of images, and of labels."""

    image: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Limits:
    """What a container may hold before it counts as a bomb; the rest of it is a failed row."""

    members: int = 10_000_000
    ratio: int = 1000  # bytes unpacked for each byte packed, once `free` bytes are unpacked
    free: int = 1 << 30


class NoImagesError(Exception):
    """A table that holds no images; labels may be in it."""


class Container(Hashable, Protocol):
    """One format of containers. Stateless and picklable: the bytes come from an opener."""

    @property
    def holds_files(self) -> bool:
        """Whether members are files with names; False: every member is an image (a table's row)."""

    def members(self, opener: Opener, columns: Columns) -> Iterator[pa.RecordBatch]:
        """Every member that is no folder, in stored order (columns: MEMBERS), streamed.

        A damaged end is a failed member with the container's own name as its path. Raises
        ImageError where the container cannot be read at all, and NoImagesError.
        """

    def open(self, opener: Opener, path: str, offset: int, size: int) -> BinaryIO:
        """A seekable stream of one member's bytes; raises ImageError.

        `path`, `offset` and `size` are what `members` gave. Fast for ascending members: a container
        without random access goes on where it is.
        """


def in_batches(members: Iterable[Member]) -> Iterator[pa.RecordBatch]:
    """Members as tables of at most BATCH rows (columns: MEMBERS)."""
    iterator = iter(members)
    while piece := list(islice(iterator, BATCH)):
        columns = zip(*piece, strict=True)
        arrays = [pa.array(c, f.type) for c, f in zip(columns, MEMBERS, strict=True)]
        yield pa.record_batch(arrays, schema=MEMBERS)
