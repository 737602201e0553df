"""One pass through a folder on this machine: what is in it, file by file and folder by folder."""

import errno
import os
import stat
from array import array
from collections import Counter
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import numpy as np
import pyarrow as pa

from sortal.tasks.errors import Code
from sortal.tasks.file_names import printable
from sortal.tasks.places.base import BATCH, FILES, File, failed
from sortal.tasks.places.rules import Rules, of_folder

_LINKED = "in a linked folder that is left out"
_KIND = 0o170000  # the bits of a mode that say what a file is
_name = attrgetter("name")
Folder = tuple[str, str | None]  # its path, and why it is left out


class Walk:
    """The files of a folder as batches (columns: FILES); those left out are counted, not looked at.

    A stack instead of recursion, so depth has no limit.
    """

    def __init__(
        self, root: Path, without: Path | None, rules: Rules, left_out: Counter[str]
    ) -> None:
        self._root = root
        self._without = str(without) if without else None
        self._rules = rules
        self._left_out = left_out
        self._rows = _Rows()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Depth first, names in order."""
        stack = [self._folder("", None)]
        while stack:
            item = next(stack[-1], None)
            if item is None:
                stack.pop()
            else:
                stack.append(self._folder(*item))
            if len(self._rows) >= BATCH:
                yield from self._rows.batches()
        yield from self._rows.batches()

    def _folder(self, folder: str, within: str | None) -> Iterator[Folder]:
        """Adds the files of a folder, and gives its folders where they stand among them."""
        prefix = f"{folder}/" if folder else ""
        try:
            with os.scandir(f"{self._root}/{folder}") as found:
                entries = sorted(found, key=_name)
        except OSError as error:
            if within is None:
                self._rows.add(failed(folder or ".", Code.UNREADABLE, error.strerror, stat.S_IFDIR))
            return
        plain = within is None and not self._rules.has_globs
        rows = self._rows
        for entry in entries:  # the house's hottest loop: a million times for a million files
            name = entry.name
            if entry.is_dir(follow_symlinks=False):
                if f"{self._root}/{prefix}{name}" != self._without:
                    yield prefix + name, within or of_folder(name)
                continue
            path = prefix + name
            if not plain or name[0] == ".":
                reason = self._rules.of_file(path, name, within)
                if reason:
                    self._left_out[reason] += 1
                    continue
            try:
                info = entry.stat(follow_symlinks=False)
            except OSError as error:
                gone = isinstance(error, FileNotFoundError)
                code = Code.MISSING if gone else Code.UNREADABLE
                rows.add(failed(path, code, error.strerror))
                continue
            if info.st_mode & _KIND == stat.S_IFREG and path.isascii():
                rows.paths.append(path)
                rows.sizes.append(info.st_size)
                rows.times.append(info.st_mtime_ns)
                rows.modes.append(info.st_mode)
            else:
                self._add_other(path, info)

    def _add_other(self, path: str, info: os.stat_result) -> None:
        """A link, a file of another kind, or one whose name may not be UTF-8."""
        file = looked_at(self._root, path, info)
        if stat.S_ISDIR(file.mode) and file.error_code == Code.NOT_A_FILE:  # a link inside the root
            self._count_if_left_out(f"{self._root}/{path}")
        else:
            self._rows.add(file)

    def _count_if_left_out(self, link: str) -> None:
        """A linked folder is listed where it really lies, unless that is left out."""
        target = os.path.relpath(os.path.realpath(link), self._root)
        if any(map(of_folder, target.split("/"))):
            self._left_out[_LINKED] += 1


class _Rows:
    """Columns of files that are being gathered."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.paths: list[str] = []
        self.sizes, self.times, self.modes = array("q"), array("q"), array("i")
        self.problems: dict[int, File] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def add(self, file: File) -> None:
        """Any file."""
        if file.error_code:
            self.problems[len(self.paths)] = file
        self.paths.append(file.path)
        self.sizes.append(file.bytes)
        self.times.append(file.mtime_ns)
        self.modes.append(file.mode)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All of them as one batch, none where there is none; what follows begins anew."""
        n = len(self.paths)
        if not n:
            return
        codes, texts = pa.nulls(n, pa.string()), pa.nulls(n, pa.string())
        if self.problems:
            found = [self.problems.get(row) for row in range(n)]
            codes = pa.array([file and file.error_code for file in found], pa.string())
            texts = pa.array([file and file.error for file in found], pa.string())
        numbers = [pa.array(np.frombuffer(each, each.typecode)) for each in
                   (self.sizes, self.times, self.modes)]  # fmt: skip
        paths = pa.array(self.paths, pa.string())
        versions = pa.nulls(n, pa.string())
        self._begin()
        yield pa.record_batch([paths, *numbers, versions, codes, texts], schema=FILES)


def looked_at(root: Path, path: str, info: os.stat_result) -> File:
    """What is at `path` below `root`, of which `info` is known; links are followed inside alone."""
    problem: Code | None = None
    if stat.S_ISLNK(info.st_mode):
        info, problem = _linked(f"{root}/{path}", info, root)
    name, bad = printable(path)
    if bad:
        problem = Code.BAD_NAME
    elif not problem and not stat.S_ISREG(info.st_mode):
        problem = Code.NOT_A_FILE
    if problem:
        return failed(name, problem, mode=info.st_mode)
    return File(name, info.st_size, info.st_mtime_ns, info.st_mode)


def _linked(full: str, link: os.stat_result, root: Path) -> tuple[os.stat_result, Code | None]:
    """What a link leads to, without reading it, and why that will not do."""
    try:
        info = Path(full).stat()
    except FileNotFoundError:
        return link, Code.BROKEN_LINK
    except OSError as error:
        return link, Code.LINK_LOOP if error.errno == errno.ELOOP else Code.UNREADABLE
    target = os.path.realpath(full)
    if not inside(target, root):
        return info, Code.OUTSIDE_ROOT
    climbs = stat.S_ISDIR(info.st_mode) and inside(full, Path(target))
    return info, Code.LINK_LOOP if climbs else None


def inside(target: str, root: Path) -> bool:
    """Whether an absolute path is `root` or below it."""
    text = str(root)
    return target == text or target.startswith(text.rstrip("/") + "/")
