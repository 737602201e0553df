"""What a source of images is: it lists its inputs, reads them, and knows their texts.

A source never reads outside its root. A new place is one module in `tasks/places`, a new container
one in `tasks/containers`, and either a line in its registry.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import pyarrow as pa

from sortal.configs.errors import expanded
from sortal.configs.remote import is_remote
from sortal.configs.schema import ImagesConfig
from sortal.tasks.containers.base import Columns
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.file_names import printable
from sortal.tasks.places.rules import Rules

# Those of the last five lines are read with the extra `formats`, or not at all: they are listed,
# so that a row says so.
EXTENSIONS = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif",
    ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".avifs",
    ".heic", ".heif", ".heics", ".heifs", ".hif", ".jxl",
    ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".dng", ".orf", ".rw2", ".raf",
    ".pef", ".srw", ".rwl", ".iiq", ".3fr", ".fff", ".erf", ".mrw", ".x3f", ".kdc", ".dcr", ".mef",
    ".mos", ".gpr", ".svg", ".svgz", ".psd", ".psb", ".eps", ".ai", ".jp2", ".j2k",
    ".jpf", ".jpx", ".ico", ".cur", ".icns", ".xcf", ".dds", ".exr", ".hdr", ".tga", ".pcx", ".qoi",
})  # fmt: skip
LISTING = pa.schema(
    [
        ("path", pa.string()),
        ("bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("offset", pa.int64()),
        ("mode", pa.int32()),
        ("error_code", pa.string()),
        ("error", pa.string()),
        ("label", pa.string()),
    ]
)
_CHUNK = 65_536  # rows held as Python objects at a time


class Entry(NamedTuple):
    """One input as it is listed: nothing of it has been read yet (columns: LISTING).

    `path` is relative to the source and printable; `offset` is where its bytes begin in its
    container, or its row in a table, None for loose files;
    `mode` is the file's type and permissions; `error_code` is set when it cannot be read.
    """

    path: str
    bytes: int
    mtime_ns: int
    offset: int | None = None
    mode: int = 0
    error_code: str | None = None
    error: str | None = None
    label: str | None = None  # what its container says: a value of its Parquet file


@dataclass(frozen=True)
class Listing:
    """What a source holds: rows of images, and texts that may tell about them (columns: LISTING).

    `others` counts every file that is no row by its kind, `n_files` is how many were seen. What
    `refusals` say is why tables give no images; `warnings` say what else was not read or used.
    """

    rows: pa.Table
    texts: pa.Table
    others: Counter[str]
    n_files: int
    refusals: list[str]
    warnings: tuple[str, ...] = ()


class Source(Protocol):
    """Lists and reads inputs. Small, stateless and picklable, so each worker can hold one."""

    @property
    def location(self) -> str:
        """The absolute path of the folder or file, or the URL."""

    @property
    def vectors(self) -> Path | None:
        """The folder of ready-made vectors; None where images are read and embedded."""

    def state(self, rules: Rules) -> str:
        """Changes when a file does that counts, by name, size, time or permission.

        No container is opened for it: its own size and time stand for all that is in it.
        """

    def listing(self, rules: Rules, columns: Columns) -> Listing:
        """All that is there, in a fixed order; what cannot be read has a code."""

    def entry(self, path: str) -> Entry:
        """The input of this name, whatever its extension, or a failed one."""

    def open(self, path: str, offset: int | None = None, size: int | None = None) -> BinaryIO:
        """A seekable stream of one input's bytes; raises ImageError."""

    def read(self, path: str, offset: int | None = None, size: int | None = None) -> bytes:
        """The bytes of one input, all of them; raises ImageError."""

    def prefetch(self, paths: Sequence[str]) -> None:
        """Bring loose files near that are opened next, where they are far away."""

    def column(self, name: str) -> dict[str, str | None]:
        """Each image's text in a column of the source's metadata; raises UsageError without one.

        By path; for ready-made vectors by key, since several of them may share a path.
        """


@dataclass(frozen=True)
class Address:
    """Where a source is said to be. An opener returns None for an address that it cannot read."""

    text: str  # as the user wrote it, but for secrets in a URL
    without: Path | None = None  # a folder inside it that is not the user's: the workspace
    config: ImagesConfig | None = None

    @property
    def is_remote(self) -> bool:
        """Whether it is a URL, or a table of URLs."""
        return is_remote(self.text)

    @property
    def path(self) -> Path:
        """The local path as it was written, links not yet followed."""
        return expanded(self.text)

    @property
    def folder(self) -> Path | None:
        """The resolved local folder, or None."""
        return self.path.resolve() if not self.is_remote and self.path.is_dir() else None

    @property
    def file(self) -> Path | None:
        """The resolved path of a local file, or None."""
        is_file = not self.is_remote and self.path.exists() and not self.path.is_dir()
        return self.path.resolve() if is_file else None


def is_image(path: str) -> bool:
    """Whether a name ends like an image's."""
    return path[path.rfind(".") :].lower() in EXTENSIONS


def read_all(file: BinaryIO) -> bytes:
    """The rest of a stream, which is closed; raises ImageError when the disk fails."""
    try:
        with file:
            return file.read()
    except OSError as error:
        raise ImageError(Code.UNREADABLE, error.strerror or "") from error


def failed_entry(path: str, code: Code, message: str | None = None) -> Entry:
    """A listed input that cannot be read."""
    return Entry(printable(path)[0], 0, 0, None, 0, code.value, message or code.meaning)


def table_of(entries: Iterable[Entry]) -> pa.Table:
    """Entries as a table with the columns LISTING."""
    iterator = iter(entries)
    pieces = []
    while piece := list(islice(iterator, _CHUNK)):
        columns = dict(zip(LISTING.names, zip(*piece, strict=True), strict=True))
        pieces.append(pa.table(columns, schema=LISTING))
    return pa.concat_tables(pieces) if pieces else LISTING.empty_table()
