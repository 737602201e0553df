"""Bytes that were fetched once: a bounded folder of the workspace, so a second read is local."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sortal.storage.atomic import TEMPORARY, temporary
from sortal.storage.hashing import hash_text

_SHARE = 8  # a file larger than this part of the cache is read by ranges, and not kept
_LOOK_AFTER = 20  # the folder is measured again after this part of the limit was added
_added: dict[str, int] = {}  # bytes this process added to a folder since it was last measured


@dataclass(frozen=True)
class Cache:
    """At most about `max_bytes` of files in `folder`; those not used for longest are deleted.

    A file is named by its address and version, so another version is another file.
    """

    folder: Path
    max_bytes: int

    def holds(self, n_bytes: int) -> bool:
        """Whether a file of this size is kept."""
        return 0 < n_bytes <= self.max_bytes // _SHARE

    def find(self, address: str, version: str) -> BinaryIO | None:
        """The file's bytes as a stream, or None."""
        path = self._path(address, version)
        try:
            file = path.open("rb")
        except OSError:
            return None
        with suppress(OSError):
            os.utime(path)
        return file

    def has(self, address: str, version: str) -> bool:
        """Whether the file is kept."""
        return self._path(address, version).is_file()

    @contextmanager
    def adding(self, address: str, version: str) -> Iterator[BinaryIO]:
        """Yield a file to write; it is kept if that ends without an error."""
        path = self._path(address, version)
        fresh = temporary(path)
        try:
            with fresh.open("w+b") as file:
                yield file
                size = file.tell()
                file.flush()
                os.fsync(file.fileno())  # or a crash may leave a file of zeros under its name
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        self._make_room(size)

    def _path(self, address: str, version: str) -> Path:
        name = hash_text(f"{address}\0{version}")
        return self.folder / name[:2] / name

    def _make_room(self, size: int) -> None:
        name = str(self.folder)
        added = _added.get(name, self.max_bytes) + size  # a new process measures at its first file
        if added * _LOOK_AFTER >= self.max_bytes:
            self.shrink()
            added = 0
        _added[name] = added

    def shrink(self) -> None:
        """Delete the files not used for longest until nine tenths of the limit are left."""
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        if total <= self.max_bytes:
            return
        for _, size, path in files[:-1]:  # never the one that has just come
            if total <= self.max_bytes * 9 // 10:
                return
            with suppress(OSError):
                Path(path).unlink()
            total -= size

    def _files(self) -> Iterator[tuple[int, int, str]]:
        """(time of last use, bytes, path) of every file that is complete."""
        for folder in self.folder.glob("??"):
            with suppress(OSError), os.scandir(folder) as found:
                for entry in (each for each in found if not each.name.startswith(TEMPORARY)):
                    with suppress(OSError):
                        info = entry.stat()
                        yield info.st_mtime_ns, info.st_size, entry.path
