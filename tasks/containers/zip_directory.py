"""The directory at the end of a zip file, read in pieces: a million members need no index."""

import re
import stat
import struct
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

from sortal.tasks.errors import Code, ImageError

END, END64, LOCATOR64 = b"PK\5\6", b"PK\6\6", b"PK\6\7"
HEADER = struct.Struct("<4s4B4HL2L5H2L")  # of a member in the directory
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_READ = 1 << 20
_MOST_BEHIND = (1 << 16) + _END.size  # bytes of the end record with its comment
_FULL, _FULL_16 = 0xFFFFFFFF, 0xFFFF
_ENCRYPTED, _UTF8 = 0x2041, 0x800
_FAT, _UNIX = (0, 10, 11), (3, 19)


class Directory(NamedTuple):
    """Where the directory lies, and how far all offsets are shifted by what stands before."""

    start: int
    size: int
    shift: int


class Entry(NamedTuple):
    """A member as the directory has it; `offset` is that of its own header in the file."""

    name: str
    size: int
    packed: int
    offset: int
    method: int
    encrypted: bool
    mode: int  # Unix's, 0 where the system was another


def find_directory(file: BinaryIO) -> Directory:
    """Raises ImageError for what is no whole zip file, or one volume of several."""
    length = file.seek(0, 2)
    start = max(0, length - _MOST_BEHIND)
    file.seek(start)
    tail = file.read(_MOST_BEHIND)
    place = tail.rfind(END)
    while place >= 0:
        if place + _END.size <= len(tail):
            _, disk, first, _, _, size, offset, _ = _END.unpack_from(tail, place)
            break
        place = tail.rfind(END, 0, place)
    else:
        raise ImageError(Code.TRUNCATED, "the zip's directory is missing: the file is cut off")
    end = start + place
    large = _END64.size + 20
    if tail[place - 20 : place - 16] == LOCATOR64 and end >= large:
        file.seek(end - large)
        record = file.read(_END64.size)
        if len(record) == _END64.size and record.startswith(END64):
            _, _, _, _, disk, first, _, _, size, offset = _END64.unpack(record)
            end -= large
    if disk or first:
        raise ImageError(Code.UNSUPPORTED_FORMAT, "one volume of several; join them first")
    shift = end - size - offset
    if shift < 0:
        raise ImageError(Code.DAMAGED, "the zip's directory does not lie where the file says")
    return Directory(offset + shift, size, shift)


def entries(file: BinaryIO, directory: Directory) -> Iterator[Entry]:
    """Every member, in the directory's order; raises ImageError where it is damaged."""
    data, place, left = b"", 0, directory.size
    position = directory.start
    while left or place < len(data):
        if len(data) - place < HEADER.size + 3 * _FULL_16 and left:
            file.seek(position)
            more = file.read(min(_READ, left))
            if not more:
                raise ImageError(Code.TRUNCATED, "the zip's directory is cut off")
            data, place = data[place:] + more, 0
            position, left = position + len(more), left - len(more)
        if len(data) - place < HEADER.size or data[place : place + 4] != b"PK\1\2":
            raise ImageError(Code.DAMAGED, "the zip's directory is damaged")
        fields = HEADER.unpack_from(data, place)
        n_name, n_extra, n_comment = fields[12:15]
        place += HEADER.size
        name, extra = data[place : place + n_name], data[place + n_name : place + n_name + n_extra]
        place += n_name + n_extra + n_comment
        yield _entry(fields, name, extra, directory.shift)


def _entry(fields: tuple[int, ...], raw: bytes, extra: bytes, shift: int) -> Entry:
    system, flags, method = fields[2], fields[5], fields[6]
    packed, size = fields[10], fields[11]
    attributes, offset = fields[17], fields[18]
    large = iter(_large(extra))
    size = next(large, size) if size == _FULL else size
    packed = next(large, packed) if packed == _FULL else packed
    offset = next(large, offset) if offset == _FULL else offset
    name = _name(raw, flags, extra, system)
    mode = attributes >> 16 if system in _UNIX else 0
    return Entry(name, size, packed, offset + shift, method, bool(flags & _ENCRYPTED), mode)


def _large(extra: bytes) -> tuple[int, ...]:
    """The 64-bit numbers that stand in for those that do not fit into 32 bits."""
    data = _extra(extra, 1)
    return struct.unpack_from(f"<{len(data) // 8}Q", data)


def _extra(extra: bytes, wanted: int) -> bytes:
    place = 0
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, place)
        if kind == wanted:
            return extra[place + 4 : place + 4 + size]
        place += 4 + size
    return b""


def _name(raw: bytes, flags: int, extra: bytes, system: int) -> str:
    """UTF-8 where the flag, the extra field or the bytes say so, else code page 437."""
    unicode = _extra(extra, 0x7075)[5:] or raw
    try:
        name = unicode.decode("utf-8")
    except UnicodeDecodeError:
        name = raw.decode("utf-8", "surrogateescape") if flags & _UTF8 else raw.decode("cp437")
    name = name.partition("\0")[0]
    if "\\" in name and "/" not in name and system in _FAT:
        name = name.replace("\\", "/")
    return name if name.endswith("/") or not name else str(PurePosixPath(name))


def leads_out(name: str) -> bool:
    """Whether a name is absolute as Windows writes it."""
    return bool(re.match(r"[A-Za-z]:[/\\]|\\", name))


def is_link(entry: Entry) -> bool:
    """Whether a member's bytes are the target of a symbolic link."""
    return stat.S_ISLNK(entry.mode)


def is_odd(entry: Entry) -> bool:
    """Whether a member is neither a file nor a link, such as a pipe."""
    return stat.S_IFMT(entry.mode) not in (0, stat.S_IFREG, stat.S_IFLNK)
