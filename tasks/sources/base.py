"""What a source of images is: it lists its inputs, reads them, and knows their labels and texts.

A source never reads outside its root. A new kind of source is one module with a class and an
opener, and a line in `registry.py`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple, Protocol

from sortal.tasks.sources.errors import Code, ImageError

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
# The last four are formats that Sortal cannot read: they are listed, so that a row says so.
EXTENSIONS = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif",
    ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".heic", ".heif", ".jp2", ".jxl",
})  # fmt: skip


class Entry(NamedTuple):
    """One input as it is listed: nothing of it has been read yet.

    `path` is relative to the source and printable; `offset` is where its bytes begin in a tar,
    or its row in a Parquet file;
    `mode` is the file's type and permissions; `error_code` is set when it cannot be read.
    """

    path: str
    bytes: int
    mtime_ns: int
    offset: int | None = None
    mode: int = 0
    error_code: str | None = None
    error: str | None = None
    is_metadata: bool = False  # about the images, and no image itself


@dataclass(frozen=True)
class Labels:
    """What gives the classes of a source's images.

    `by_path` counts where it has a label at all. Otherwise the folders below `root` are the
    classes (`top/` in a tar that has one top folder); where `root` is None, nothing is.
    """

    by_path: Mapping[str, str | None] | None = None
    root: str | None = None
    adds_inputs: bool = False  # a path that was not listed is an input too: see `Source.entry`


class Source(Protocol):
    """Lists and reads inputs. Small, stateless and picklable, so each worker can hold one.

    `SourceBase` has what most sources share.
    """

    @property
    def location(self) -> Path:
        """The absolute path of the folder or file."""

    @property
    def vectors(self) -> Path | None:
        """The folder of ready-made vectors; None where images are read and embedded."""

    def files(self) -> list[Path]:
        """The container files whose sizes and times stand for all that is in them.

        Empty for loose image files, where the listing itself says what has changed. In
        containers the later of two entries with the same path is the one that counts.
        """

    def entries(self) -> Iterator[Entry]:
        """Every image and metadata file, in a fixed order; what cannot be read has a code."""

    def entry(self, path: str) -> Entry:
        """The input of this name, whatever its extension, or a failed one."""

    def open(self, path: str, offset: int | None = None, size: int | None = None) -> BinaryIO:
        """A seekable stream of one input's bytes; raises ImageError."""

    def read(self, path: str, offset: int | None = None, size: int | None = None) -> bytes:
        """The bytes of one input, all of them; raises ImageError."""

    def labels(self, paths: Iterable[str], metadata: Sequence[Entry]) -> Labels:
        """The classes of what `entries` gave: the images' `paths`, and the metadata files.

        Raises UsageError for metadata that breaks a rule.
        """

    def column(self, name: str) -> dict[str, str | None]:
        """Each image's text in a column of the source's metadata; raises UsageError without one.

        By path; for ready-made vectors by key, since several of them may share a path.
        """


class SourceBase:
    """What most sources share: images to embed, and no input but those that were listed."""

    @property
    def vectors(self) -> Path | None:
        """None: the images are read and embedded."""
        return None

    def entry(self, path: str) -> Entry:
        """Always `missing`: an input that was not listed is not looked for a second time."""
        return failed_entry(path, Code.MISSING)

    def read(self: Source, path: str, offset: int | None = None, size: int | None = None) -> bytes:
        """The bytes of one input; raises ImageError."""
        return read_all(self.open(path, offset, size))


@dataclass(frozen=True)
class Address:
    """Where a source is said to be. An opener returns None for an address that it cannot read."""

    text: str  # as the user wrote it
    without: Path | None = None  # a folder inside it that is not the user's: the workspace

    @property
    def is_remote(self) -> bool:
        """Whether it is a URL."""
        return "://" in self.text

    @property
    def path(self) -> Path:
        """The local path as it was written, links not yet followed."""
        return Path(self.text).expanduser()

    @property
    def folder(self) -> Path | None:
        """The resolved local folder, or None."""
        return self.path.resolve() if not self.is_remote and self.path.is_dir() else None

    @property
    def file(self) -> Path | None:
        """The resolved path of a local file, or None."""
        is_file = not self.is_remote and self.path.exists() and not self.path.is_dir()
        return self.path.resolve() if is_file else None


def files_with_suffix(folder: Path, suffix: str) -> list[str]:
    """Relative names of the files in `folder` that end so, to any depth, sorted; no hidden ones."""
    found = (path for path in folder.rglob("*" + suffix) if path.is_file())
    names = sorted(path.relative_to(folder).as_posix() for path in found)
    return [n for n in names if not any(part.startswith((".", "_")) for part in n.split("/"))]


def links_outside(folder: Path, name: str) -> bool:
    """Whether a file of the resolved `folder` really lies outside of it, behind a link."""
    return not (folder / name).resolve().is_relative_to(folder)


def is_image(path: str) -> bool:
    """Whether a name ends like an image's."""
    return path[path.rfind(".") :].lower() in EXTENSIONS


def is_wanted(name: str) -> bool:
    """Whether a file's name says image or metadata; hidden files never are."""
    if name.startswith("."):
        return False
    return name in METADATA or is_image(name)


def printable(name: str) -> tuple[str, str | None]:
    r"""`name` as UTF-8 text, with other bytes written as \xNN, and `bad_name` if there were any."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        escaped = name.encode("utf-8", "backslashreplace").decode("utf-8")
        return escaped.replace("\\udc", "\\x"), Code.BAD_NAME.value
    return name, None


def climbs_out(path: str) -> bool:
    """Whether a relative name is absolute or climbs above its root."""
    parts = PurePosixPath(path).parts
    return path.startswith("/") or ".." in parts


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
