"""What a place is: it lists files and opens them, and knows nothing of images or labels."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import islice
from typing import BinaryIO, NamedTuple, Protocol

import pyarrow as pa

from sortal.tasks.errors import Code
from sortal.tasks.file_names import printable
from sortal.tasks.places.rules import Rules

FILES = pa.schema(
    [
        ("path", pa.string()),
        ("bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("mode", pa.int32()),
        ("version", pa.string()),
        ("error_code", pa.string()),
        ("error", pa.string()),
    ]
)
BATCH = 65_536  # files held as Python objects at a time


class File(NamedTuple):
    """One file as it is listed; nothing of it has been read.

    `path` is relative to the place and printable. `error_code` is set when it cannot be opened.
    """

    path: str
    bytes: int
    mtime_ns: int  # 0 where the place knows no time
    mode: int = 0
    version: str | None = None  # an object's etag; None where size and time have to do
    error_code: str | None = None
    error: str | None = None


class Place(Hashable, Protocol):
    """Lists and opens files. Small, stateless and picklable, so each worker can hold one."""

    @property
    def location(self) -> str:
        """The absolute path or the URL, without credentials: the place's identity."""

    def files(self, rules: Rules, left_out: Counter[str]) -> Iterator[pa.RecordBatch]:
        """Every file that `rules` do not leave out, in a fixed order, streamed (columns: FILES).

        `left_out` counts the others by their reason.
        """

    def file(self, path: str) -> File:
        """The file at `path` as it is now; a failed one (`missing`, ...) where there is none."""

    def open(self, path: str) -> BinaryIO:
        """A seekable stream of a file's bytes, never outside the place; raises ImageError."""

    def prefetch(self, paths: Sequence[str]) -> None:
        """Bring files near that are opened next; nothing where they are on this machine."""


def in_batches(files: Iterable[File]) -> Iterator[pa.RecordBatch]:
    """Files as tables of at most BATCH rows (columns: FILES)."""
    iterator = iter(files)
    while piece := list(islice(iterator, BATCH)):
        columns = zip(*piece, strict=True)
        arrays = [pa.array(c, f.type) for c, f in zip(columns, FILES, strict=True)]
        yield pa.record_batch(arrays, schema=FILES)


def failed(path: str, code: Code, message: str | None = None, mode: int = 0) -> File:
    """A file that cannot be opened."""
    return File(printable(path)[0], 0, 0, mode, None, code.value, message or code.meaning)
