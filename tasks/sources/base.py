"""Where bytes come from: a folder, a tar file, Parquet, or a folder of ready-made vectors.

A source lists its inputs and reads them; it never reads outside its root.
"""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple, Protocol, cast

import pyarrow.parquet as pq

from tasks.decoding import EXTENSIONS, Code, ImageError

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


def vector_files(folder: Path) -> list[Path]:
    """The Parquet files of ready-made image vectors in `folder` (see the encoder `vectors:`)."""
    found = sorted(folder.glob("*images*.parquet"))
    return [path for path in found if _has_vectors(path)]


def _has_vectors(path: Path) -> bool:
    try:
        return "vector" in pq.read_schema(path).names
    except (OSError, ValueError):
        return False


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


@dataclass(frozen=True)
class FolderSource:
    """A folder of image files, to any depth. Links are followed to files inside it only."""

    root: Path  # resolved
    skip: Path | None = None  # a folder inside it that is not the user's: the workspace

    @property
    def location(self) -> Path:
        """The folder."""
        return self.root

    def entries(self) -> Iterator[Entry]:
        """Depth first, names in order; a stack instead of recursion, so depth has no limit."""
        stack = [iter(self._children(""))]
        while stack:
            item = next(stack[-1], None)
            if item is None:
                stack.pop()
            elif isinstance(item, Entry):
                yield item
            else:
                stack.append(iter(self._children(item)))

    def entry(self, path: str) -> Entry:
        """The file at `path`, whatever its extension; `missing` if there is none."""
        found = next(self._entry(path, wanted=True), None)
        return found or failure(path, Code.NOT_A_FILE)

    def _children(self, folder: str) -> Iterator[Entry | str]:
        try:
            with os.scandir(self.root / folder) as found:
                names = sorted((e.name, e.is_dir(follow_symlinks=False)) for e in found
                               if e.is_symlink() or e.is_dir() or is_wanted(e.name))  # fmt: skip
        except OSError as error:
            yield failure(folder or ".", Code.UNREADABLE, error.strerror)
            return
        prefix = f"{folder}/" if folder else ""
        skip = self.skip and str(self.skip)
        for name, is_folder in names:
            if name.startswith("."):
                continue
            if not is_folder or is_wanted(name):
                yield from self._entry(prefix + name, wanted=is_wanted(name))
            if is_folder and f"{self.root}/{prefix}{name}" != skip:
                yield prefix + name

    def _entry(self, path: str, wanted: bool) -> Iterator[Entry]:
        full = f"{self.root}/{path}"
        problem, is_folder = None, False
        try:
            info = os.lstat(full)
            if stat.S_ISLNK(info.st_mode):
                info, problem = self._linked(full, info)
                is_folder = stat.S_ISDIR(info.st_mode)
                if is_folder and not problem:
                    return  # a linked folder inside the root is listed where it really lies
        except FileNotFoundError:
            problem = Code.MISSING
        except OSError:
            problem = Code.UNREADABLE
        if not wanted and not (problem and is_folder):
            return
        name, bad = printable(path)
        if bad:
            yield failure(name, Code.BAD_NAME)
        elif problem:
            yield failure(name, problem)
        elif not stat.S_ISREG(info.st_mode):
            yield failure(name, Code.NOT_A_FILE)
        else:
            yield Entry(name, info.st_size, info.st_mtime_ns, mode=info.st_mode)

    def _linked(self, full: str, link: os.stat_result) -> tuple[os.stat_result, Code | None]:
        """What a link leads to, without reading it, and why that will not do."""
        try:
            info = Path(full).stat()
        except FileNotFoundError:
            return link, Code.BROKEN_LINK
        except OSError as error:
            return link, Code.LINK_LOOP if error.errno == errno.ELOOP else Code.UNREADABLE
        target = os.path.realpath(full)
        if not _inside(target, self.root):
            return info, Code.OUTSIDE_ROOT
        climbs = stat.S_ISDIR(info.st_mode) and _inside(full, Path(target))
        return info, Code.LINK_LOOP if climbs else None

    def open(self, path: str, offset: int | None = None, size: int | None = None) -> BinaryIO:
        """A stream of the file; the path is checked again, since links may have changed."""
        full = f"{self.root}/{path}"
        if leads_out(path) or not _inside(os.path.realpath(full), self.root):
            raise ImageError(Code.OUTSIDE_ROOT)
        try:
            # Without O_NONBLOCK, a pipe put in the file's place would make this wait for ever.
            handle = os.open(full, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise ImageError(Code.MISSING, "gone since it was listed") from error
        except OSError as error:
            raise ImageError(Code.UNREADABLE, error.strerror or "") from error
        file = cast(BinaryIO, os.fdopen(handle, "rb"))
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            file.close()
            raise ImageError(Code.NOT_A_FILE)
        return file

    def read(self, path: str, offset: int | None = None, size: int | None = None) -> bytes:
        """The bytes of the file at `path`."""
        return read_all(self.open(path))


@dataclass(frozen=True)
class VectorsSource(FolderSource):
    """A folder of ready-made vectors; its rows come from Parquet, its images may be absent."""

    def files(self) -> list[Path]:
        """The Parquet files."""
        return vector_files(self.root)

    def entries(self) -> Iterator[Entry]:
        """The Parquet files themselves."""
        for path in self.files():
            info = path.stat()
            yield Entry(path.name, info.st_size, info.st_mtime_ns, mode=info.st_mode)


@dataclass(frozen=True)
class SingleFile(FolderSource):
    """One image file; its name is its path."""

    name: str = ""

    @property
    def location(self) -> Path:
        """The file."""
        return self.root / self.name

    def entries(self) -> Iterator[Entry]:
        """The file alone."""
        yield self.entry(self.name)


def read_all(file: BinaryIO) -> bytes:
    """The rest of a stream, which is closed; raises ImageError when the disk fails."""
    try:
        with file:
            return file.read()
    except OSError as error:
        raise ImageError(Code.UNREADABLE, error.strerror or "") from error


def _inside(target: str, root: Path) -> bool:
    text = str(root)
    return target == text or target.startswith(text.rstrip("/") + "/")


def failure(path: str, code: Code, message: str | None = None) -> Entry:
    """A listed input that cannot be read."""
    return Entry(printable(path)[0], 0, 0, None, 0, code.value, message or code.meaning)
