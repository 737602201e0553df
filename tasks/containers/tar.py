"""Tar files: members are found once, then read by their offset without an index."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

import pyarrow as pa

from sortal.tasks.containers.base import Columns, Limits, Member, Opener, in_batches
from sortal.tasks.containers.links import Link, failed, resolved, symbolic
from sortal.tasks.containers.streams import kept_stream, window
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.file_names import climbs_out, printable

LIMITS = Limits()
# What tarfile makes of sizes and names that cannot be.
_BROKEN = (tarfile.TarError, ValueError, OverflowError, EOFError)


@dataclass(frozen=True)
class Tar:
    """A tar file that is not compressed, with PAX and GNU extensions."""

    holds_files: bool = True

    def members(self, opener: Opener, columns: Columns) -> Iterator[pa.RecordBatch]:
        """Members in stored order, then the links among them; a damaged end is the last row."""
        yield from in_batches(listed(opener, opener.name))

    def open(self, opener: Opener, path: str, offset: int, size: int) -> BinaryIO:
        """A stream of the `size` bytes at `offset`."""
        return window(opener, offset, size)


def is_tar(head: bytes) -> bool:
    """Whether the first 512 bytes of a file are the header of a tar's member, or an empty tar's."""
    if len(head) < tarfile.BLOCKSIZE:
        return False
    block = head[: tarfile.BLOCKSIZE]
    if not block.strip(b"\0"):
        return True
    try:
        return tarfile.nti(block[148:156]) in tarfile.calc_chksums(block)  # type: ignore[attr-defined]
    except tarfile.TarError:
        return False


def listed(opener: Opener, archive: str) -> Iterator[Member]:
    """The members of a tar; what is wrong with it bears the name `archive`."""
    links: list[Link] = []
    damage = None
    archived = _opened(opener)  # none: the file as a whole cannot be read
    try:
        with archived as tar:
            for number, (name, info) in enumerate(_infos(tar)):
                if number >= LIMITS.members:
                    text = f"more than {LIMITS.members:,} members; later ones are lost"
                    yield failed(archive, Code.BOMB, text)
                    return
                if info.issym() or info.islnk():
                    links.append(_link(name, info))
                elif not info.isdir():
                    yield _member(name, info, opener.bytes)
            damage = _damage_after(tar)
    except _BROKEN as error:
        damage = (Code.TRUNCATED, str(error))
    except ImageError as error:
        damage = (error.code, error.message)
    if links:
        yield from resolved(links, _all(opener))
    if damage:
        text = f"the archive is damaged, later members are lost: {damage[1]}"
        yield failed(archive, damage[0], text)


def _opened(opener: Opener) -> tarfile.TarFile:
    """Raises ImageError where not even one member can be found."""
    file = kept_stream(opener)
    file.seek(0)
    try:
        return tarfile.open(fileobj=file, mode="r:")
    except _BROKEN as error:
        raise ImageError(Code.UNSUPPORTED_FORMAT, f"no tar file ({error})") from error


def _infos(tar: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Every header and its name: "./a.jpg" is "a.jpg"."""
    while info := tar.next():
        tar.members.clear()  # type: ignore[attr-defined]  # or it keeps a kilobyte each
        yield str(PurePosixPath(info.name)), info


def _link(name: str, info: tarfile.TarInfo) -> Link:
    if info.issym():
        return symbolic(name, info.linkname)
    return Link(name, str(PurePosixPath(info.linkname)))


def _all(opener: Opener) -> Iterator[tuple[str, Member | None]]:
    """All names once more, as far as the archive can be read."""
    try:
        with _opened(opener) as tar:
            for name, info in _infos(tar):
                if info.isdir():
                    yield name, None
                elif not (info.issym() or info.islnk()):
                    yield name, _member(name, info, opener.bytes)
    except (*_BROKEN, ImageError):
        return


def _member(name: str, info: tarfile.TarInfo, size: int) -> Member:
    name, bad = printable(name)
    if bad:
        return failed(name, Code.BAD_NAME)
    if climbs_out(name):
        return failed(name, Code.OUTSIDE_ROOT)
    if not info.isreg() or info.sparse is not None:
        return failed(name, Code.NOT_A_FILE)
    if info.offset_data + info.size > size:
        return failed(name, Code.TRUNCATED)
    return Member(name, info.size, info.offset_data)


def _damage_after(tar: tarfile.TarFile) -> tuple[Code, str] | None:
    """What is wrong with the end of the archive: tarfile stops at a bad header silently."""
    file = tar.fileobj
    assert file is not None
    file.seek(tar.offset)  # type: ignore[attr-defined]
    block = file.read(tarfile.BLOCKSIZE)
    if not block.strip(b"\0"):
        return None
    return Code.TRUNCATED, f"no member begins at byte {tar.offset:,}"  # type: ignore[attr-defined]
