"""Folders of image files, to any depth, and one image file alone."""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from sortal.tasks.sources.base import Entry, failure, is_wanted, leads_out, printable, read_all
from sortal.tasks.sources.decode import Code, ImageError


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


def _inside(target: str, root: Path) -> bool:
    text = str(root)
    return target == text or target.startswith(text.rstrip("/") + "/")
