"""Folders of image files, to any depth, and one image file alone."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from sortal.configs.errors import UsageError
from sortal.tasks.sources.base import (
    METADATA,
    Address,
    Entry,
    Labels,
    SourceBase,
    climbs_out,
    failed_entry,
    is_image,
    is_wanted,
    printable,
)
from sortal.tasks.sources.errors import Code, ImageError
from sortal.tasks.sources.metadata import mark_metadata, metadata_column, metadata_labels


def open_folder(address: Address) -> "FolderSource | None":
    """A folder that holds image files; raises UsageError where it may not be listed."""
    folder = address.folder
    if folder is None:
        return None
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UsageError(f"source must be readable, got {address.text!r}; check its permissions")
    # `without` plays no part here: a folder must be the same kind of source to every caller.
    found = any(is_image(entry.path) for entry in FolderSource(folder).entries())
    return FolderSource(folder, address.without) if found else None


def open_image(address: Address) -> "SingleFile | None":
    """One image file."""
    file = address.file
    return SingleFile(file.parent, name=file.name) if file and is_image(file.name) else None


@dataclass(frozen=True)
class FolderSource(SourceBase):
    """A folder of image files, to any depth. Links are followed to files inside it only."""

    root: Path  # resolved
    without: Path | None = None  # resolved; a folder inside it that is not listed

    @property
    def location(self) -> Path:
        """The folder."""
        return self.root

    def files(self) -> list[Path]:
        """None: each image is a file of its own."""
        return []

    def entries(self) -> Iterator[Entry]:
        """Depth first, names in order."""
        return mark_metadata(self._walk())

    def _walk(self) -> Iterator[Entry]:
        """A stack instead of recursion, so depth has no limit."""
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
        return found or failed_entry(path, Code.NOT_A_FILE)

    def _children(self, folder: str) -> Iterator[Entry | str]:
        try:
            with os.scandir(self.root / folder) as found:
                names = sorted((e.name, e.is_dir(follow_symlinks=False)) for e in found
                               if e.is_symlink() or e.is_dir() or is_wanted(e.name))  # fmt: skip
        except OSError as error:
            yield failed_entry(folder or ".", Code.UNREADABLE, error.strerror)
            return
        prefix = f"{folder}/" if folder else ""
        left_out = self.without and str(self.without)
        for name, is_folder in names:
            if name.startswith("."):
                continue
            if not is_folder or is_wanted(name):
                yield from self._entry(prefix + name, wanted=is_wanted(name))
            if is_folder and f"{self.root}/{prefix}{name}" != left_out:
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
            yield failed_entry(name, Code.BAD_NAME)
        elif problem:
            yield failed_entry(name, problem)
        elif not stat.S_ISREG(info.st_mode):
            yield failed_entry(name, Code.NOT_A_FILE)
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
        if climbs_out(path) or not _inside(os.path.realpath(full), self.root):
            raise ImageError(Code.OUTSIDE_ROOT)
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

    def labels(self, paths: Iterable[str], metadata: Sequence[Entry]) -> Labels:
        """Those of the metadata file at the top; without one, folders are classes."""
        return metadata_labels(self, metadata, root="") or Labels(root="")

    def column(self, name: str) -> dict[str, str | None]:
        """Path -> text of a column of the metadata file, for which the folder is not listed."""
        absent = (Code.MISSING.value, Code.NOT_A_FILE.value)
        entries = (self.entry(file) for file in METADATA)
        metadata = [entry for entry in entries if entry.error_code not in absent]
        found = metadata_column(self, metadata, name, root="")
        if found is None:
            raise UsageError(
                f"a modality of the column {name!r} needs a metadata file at the top of "
                f"{str(self.location)!r}, got none; add metadata.csv with file_name and {name}"
            )
        return found


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
