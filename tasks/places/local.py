"""Places on this machine: a folder to any depth, and one file alone."""

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from sortal.tasks.errors import Code, ImageError
from sortal.tasks.file_names import climbs_out, printable
from sortal.tasks.places.base import File, failed, in_batches
from sortal.tasks.places.rules import Rules
from sortal.tasks.places.walk import Walk, inside, looked_at


@dataclass(frozen=True)
class LocalFolder:
    """A folder, to any depth. Links are followed to files inside it only."""

    root: Path  # resolved
    without: Path | None = None  # resolved; a folder inside it that is nobody's input

    @property
    def location(self) -> str:
        """The folder's path."""
        return str(self.root)

    def files(self, rules: Rules, left_out: Counter[str]) -> Iterator[pa.RecordBatch]:
        """Depth first, names in order."""
        return Walk(self.root, self.without, rules, left_out).batches()

    def file(self, path: str) -> File:
        """The file at `path`, whatever its name."""
        if climbs_out(path):
            return failed(path, Code.OUTSIDE_ROOT)
        try:
            return looked_at(self.root, path, os.lstat(f"{self.root}/{path}"))
        except FileNotFoundError:
            return failed(path, Code.MISSING)
        except OSError as error:
            gone = error.errno == errno.ENOTDIR
            return failed(path, Code.MISSING if gone else Code.UNREADABLE, error.strerror)

    def open(self, path: str) -> BinaryIO:
        """A stream of the file; the path is checked again, since links may have changed."""
        full = f"{self.root}/{path}"
        if climbs_out(path) or not inside(os.path.realpath(full), self.root):
            raise ImageError(Code.OUTSIDE_ROOT)
        return open_file(full)

    def prefetch(self, paths: Sequence[str]) -> None:
        """Nothing."""


@dataclass(frozen=True)
class LocalFile:
    """One file alone. Its path is `name`, which is not the file's own where a link was given."""

    full: Path  # resolved
    name: str

    @property
    def location(self) -> str:
        """The file's path."""
        return str(self.full)

    def files(self, rules: Rules, left_out: Counter[str]) -> Iterator[pa.RecordBatch]:
        """The file alone, which no rule leaves out."""
        yield from in_batches([self.file(self.name)])

    def file(self, path: str) -> File:
        """The file as it is now."""
        folder = LocalFolder(self.full.parent)
        name = printable(self.name)[0]
        return (
            folder.file(self.full.name)._replace(path=name) if path == name else folder.file(path)
        )

    def open(self, path: str) -> BinaryIO:
        """A stream of the file."""
        if path != printable(self.name)[0]:
            raise ImageError(Code.MISSING)
        return open_file(str(self.full))

    def prefetch(self, paths: Sequence[str]) -> None:
        """Nothing."""


def open_file(full: str) -> BinaryIO:
    """A stream of a regular file; raises ImageError."""
    try:
        # Without O_NONBLOCK, a pipe put in the file's place would make this wait for ever.
        handle = os.open(full, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ImageError(Code.MISSING, "gone since it was listed") from error
    except OSError as error:
        raise ImageError(Code.UNREADABLE, error.strerror or "") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):  # asked first: no folder can be wrapped
        os.close(handle)
        raise ImageError(Code.NOT_A_FILE)
    return cast(BinaryIO, os.fdopen(handle, "rb"))
