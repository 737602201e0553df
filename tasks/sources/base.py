"""Where bytes come from: a folder, a tar file, Parquet, or a folder of ready-made vectors.

A source lists its inputs and reads them; it never reads outside its root.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple, Protocol

from sortal.tasks.sources.decode import EXTENSIONS, Code, ImageError

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


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


class ImageSource(Protocol):
    """Lists and reads inputs. Small, stateless and picklable, so each worker can hold one."""

    @property
    def location(self) -> Path:
        """The absolute path of the folder or file."""

    def entries(self) -> Iterator[Entry]:
        """Every image file and metadata file, in a fixed order."""

    def entry(self, path: str) -> Entry:
        """The input of this name, whatever its extension, or a failed one."""

    def open(self, path: str, offset: int | None = None, size: int | None = None) -> BinaryIO:
        """A seekable stream of one input's bytes; raises ImageError."""

    def read(self, path: str, offset: int | None = None, size: int | None = None) -> bytes:
        """The bytes of one input; raises ImageError."""


def packed_names(folder: Path, suffix: str) -> list[str]:
    """Relative names of the files in `folder` that end so, to any depth, sorted; no hidden ones."""
    found = (path for path in folder.rglob("*" + suffix) if path.is_file())
    names = sorted(path.relative_to(folder).as_posix() for path in found)
    return [n for n in names if not any(part.startswith((".", "_")) for part in n.split("/"))]


def leads_away(folder: Path, name: str) -> bool:
    """Whether a link has a file of the resolved `folder` outside of it."""
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


def leads_out(path: str) -> bool:
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


def failure(path: str, code: Code, message: str | None = None) -> Entry:
    """A listed input that cannot be read."""
    return Entry(printable(path)[0], 0, 0, None, 0, code.value, message or code.meaning)
