"""Tar files as a source: members are found once, then read by offset without an index."""

import io
import os
import tarfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from sortal.configs.errors import UsageError
from sortal.tasks.sources.base import (
    Address,
    Entry,
    Labels,
    SourceBase,
    climbs_out,
    is_image,
    is_wanted,
    printable,
)
from sortal.tasks.sources.errors import Code, ImageError
from sortal.tasks.sources.metadata import (
    common_folder,
    mark_metadata,
    metadata_column,
    metadata_labels,
    split_metadata,
)
from sortal.tasks.sources.sidecars import sidecar_column, sidecar_labels

_MAX_TEXT = 1 << 20  # bytes of a sidecar's text


def open_tar(address: Address) -> "TarSource | None":
    """Any file as a tar file; raises UsageError when it is none, or compressed."""
    return TarSource.checked(address.file) if address.file else None


@dataclass(frozen=True)
class TarSource(SourceBase):
    """An uncompressed tar file; a member is read as `size` bytes at `offset`."""

    location: Path

    @classmethod
    def checked(cls, path: Path) -> "TarSource":
        """The tar file at `path`; raises UsageError when it is none, or compressed."""
        rule = f"source must be a folder or an uncompressed tar file, got {str(path)!r}"
        try:
            with path.open("rb") as file:
                head = file.read(512)
            tarfile.open(path, "r:").close()
        except tarfile.TarError as error:
            compressed = head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"))
            way_out = "unpack it first" if compressed else "it is neither"
            raise UsageError(f"{rule}; {way_out}") from error
        except OSError as error:
            raise UsageError(f"{rule}, which cannot be read ({error.strerror})") from error
        return cls(path)

    def files(self) -> list[Path]:
        """The archive."""
        return [self.location]

    def entries(self) -> Iterator[Entry]:
        """Members with an image's or metadata's name, in the order they are stored.

        A damaged archive ends with a failed row of the archive itself: later members are lost.
        """
        return mark_metadata(self._wanted_members())

    def _wanted_members(self) -> Iterator[Entry]:
        info = self.location.stat()
        with tarfile.open(self.location, "r:") as tar:
            try:
                for name, member in _members(tar):
                    if is_wanted(name.rpartition("/")[2]):
                        yield _entry(name, member, info.st_size, info.st_mtime_ns)
                damage = _damage_after(tar)
            except tarfile.TarError as error:
                damage = str(error)
        if damage:
            text = f"the archive is damaged, later members are lost: {damage}"
            name = self.location.name
            yield Entry(name, 0, info.st_mtime_ns, None, 0, Code.TRUNCATED.value, text)

    def texts(
        self, endings: Collection[str], first: int | None = None
    ) -> Iterator[tuple[str, bytes | None]]:
        """Names of members: of images with None, of those that end so (`.txt`) with their bytes.

        Texts of more than a megabyte are ignored. With `first`, of so many members alone.
        """
        ends = tuple(endings)
        with suppress(OSError, tarfile.TarError), tarfile.open(self.location, "r:") as tar:
            for name, member in islice(_members(tar), first):
                if is_image(name):
                    yield printable(name)[0], None
                elif name.endswith(ends) and _is_small(member):
                    yield printable(name)[0], _bytes_of(tar, member)

    def open(self, path: str, offset: int | None = None, size: int | None = None) -> BinaryIO:
        """A stream of `size` bytes at `offset`."""
        if offset is None or size is None:
            raise ValueError(f"a tar member is read by its offset and size; {path!r} came without")
        try:
            return cast(BinaryIO, io.BufferedReader(_Window(self.location, offset, size)))
        except OSError as error:
            raise ImageError(Code.UNREADABLE, error.strerror or "") from error

    def read(self, path: str, offset: int | None = None, size: int | None = None) -> bytes:
        """The bytes of the member at `offset`."""
        data = super().read(path, offset, size)
        if len(data) < (size or 0):
            raise ImageError(Code.TRUNCATED, "the archive ends inside this member")
        return data

    def labels(self, paths: Iterable[str], metadata: Sequence[Entry]) -> Labels:
        """Those of a metadata file at the top; without one of sidecars, else of folders."""
        root = common_folder(paths)
        found = metadata_labels(self, metadata, root)
        return found or Labels(sidecar_labels([("", self)]), root)

    def column(self, name: str) -> dict[str, str | None]:
        """Path -> text of a column of the metadata file; without one of sidecars."""
        paths, metadata = split_metadata(self.entries())
        found = metadata_column(self, metadata, name, common_folder(paths))
        return sidecar_column([("", self)], name, self.location) if found is None else found


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Members outside hidden folders, folders aside, and their names: "./a.jpg" is "a.jpg"."""
    while member := tar.next():
        tar.members.clear()  # type: ignore[attr-defined]  # or it keeps a kilobyte each
        name = str(PurePosixPath(member.name))
        folders = name.split("/")[:-1]
        hidden = any(folder.startswith(".") and folder != ".." for folder in folders)
        if not member.isdir() and not hidden:
            yield name, member


def _is_small(member: tarfile.TarInfo) -> bool:
    return member.isreg() and member.sparse is None and member.size <= _MAX_TEXT


def _bytes_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    assert tar.fileobj is not None
    tar.fileobj.seek(member.offset_data)
    return tar.fileobj.read(member.size)


def _entry(name: str, member: tarfile.TarInfo, size: int, mtime_ns: int) -> Entry:
    name, bad = printable(name)
    code = None
    if bad:
        code = Code.BAD_NAME
    elif climbs_out(name):
        code = Code.OUTSIDE_ROOT
    elif not member.isreg() or member.sparse is not None:
        code = Code.NOT_A_FILE
    elif member.offset_data + member.size > size:
        code = Code.TRUNCATED
    if code:
        return Entry(name, 0, mtime_ns, None, 0, code.value, code.meaning)
    return Entry(name, member.size, mtime_ns, member.offset_data)


def _damage_after(tar: tarfile.TarFile) -> str | None:
    """What is wrong with the end of the archive: tarfile stops at a bad header silently."""
    file = tar.fileobj
    assert file is not None
    file.seek(tar.offset)  # type: ignore[attr-defined]
    block = file.read(tarfile.BLOCKSIZE)
    return f"no member begins at byte {tar.offset:,}" if block.strip(b"\0") else None  # type: ignore[attr-defined]


class _Window(io.RawIOBase):
    """The bytes [offset, offset + size) of a file, as a file."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._offset, self._size, self._position = offset, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        count = max(0, min(len(buffer), self._size - self._position))
        data = os.pread(self._handle, count, self._offset + self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            os.close(self._handle)
        super().close()
