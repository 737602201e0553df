"""Zip files: members are found in the directory at the end, then read by their own header."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa

from sortal.tasks.containers import zip_directory as directory
from sortal.tasks.containers.base import Columns, Limits, Member, Opener, in_batches
from sortal.tasks.containers.links import Link, failed, resolved, symbolic
from sortal.tasks.containers.streams import kept_stream, window
from sortal.tasks.containers.unpacked import unpacked
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.file_names import climbs_out, printable

LIMITS = Limits()
_HEADER = struct.Struct("<4s5H3L2H")  # before a member's bytes
_METHODS = {8: "deflate", 12: "bz2", 14: "zip-lzma", 93: "zstd", 95: "xz"}
_STORED = 0
_NAMES = {9: "Deflate64", 97: "WavPack", 98: "PPMd", 96: "JPEG", 99: "AES"}
_LONGEST_TARGET = 4096  # bytes


@dataclass(frozen=True)
class Zip:
    """A zip file, with zip64, data descriptors, and bytes before or after it."""

    holds_files: bool = True

    def members(self, opener: Opener, columns: Columns) -> Iterator[pa.RecordBatch]:
        """Members in the order of the directory, then the links among them."""
        yield from in_batches(_listed(opener))

    def open(self, opener: Opener, path: str, offset: int, size: int) -> BinaryIO:
        """A stream of the member whose header is at `offset`, of `size` unpacked bytes."""
        file = kept_stream(opener)
        file.seek(offset)
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            raise ImageError(Code.TRUNCATED, "the zip ends before this member")
        mark, _, flags, method, _, _, _, _, _, n_name, n_extra = _HEADER.unpack(header)
        if mark != b"PK\3\4":
            raise ImageError(Code.DAMAGED, f"no member of the zip begins at byte {offset:,}")
        if flags & 1:
            raise ImageError(Code.ENCRYPTED)
        start = offset + _HEADER.size + n_name + n_extra
        if method == _STORED:
            return window(opener, start, size)
        if method not in _METHODS:
            raise _unsupported(method)
        rest = window(opener, start, max(0, opener.bytes - start), whole=False)
        return unpacked(rest, _METHODS[method], size)


def _unsupported(method: int) -> ImageError:
    name = _NAMES.get(method, f"method {method}")
    return ImageError(Code.UNSUPPORTED_FORMAT, f"compressed by {name}, which is not read")


def _listed(opener: Opener) -> Iterator[Member]:
    file = kept_stream(opener)
    found = directory.find_directory(file)  # none: the file as a whole cannot be read
    links: list[Link] = []
    packed = 0
    damage = None
    try:
        for number, entry in enumerate(directory.entries(file, found)):
            packed += entry.packed
            if number >= LIMITS.members or packed > opener.bytes:
                text = "its members overlap" if packed > opener.bytes else "too many members"
                yield failed(opener.name, Code.BOMB, f"{text}: later ones are lost")
                return
            if directory.is_link(entry) and not entry.encrypted:
                links.append(_link(opener, entry))
            elif not entry.name.endswith("/"):
                yield _member(entry, opener.bytes)
    except ImageError as error:
        damage = error
    if links:
        yield from resolved(links, _all(opener, found))
    if damage:
        text = f"the archive is damaged, later members are lost: {damage.message}"
        yield failed(opener.name, damage.code, text)


def _member(entry: directory.Entry, length: int) -> Member:
    name, bad = printable(entry.name)
    code: Code | None = None
    if bad or not name:
        name, code = name or "(no name)", Code.BAD_NAME
    elif climbs_out(name) or directory.leads_out(name):
        code = Code.OUTSIDE_ROOT
    elif entry.encrypted:
        code = Code.ENCRYPTED
    elif directory.is_odd(entry):
        code = Code.NOT_A_FILE
    elif entry.method != _STORED and entry.method not in _METHODS:
        return failed(name, Code.UNSUPPORTED_FORMAT, _unsupported(entry.method).message)
    elif entry.offset + entry.packed > length:
        code = Code.TRUNCATED
    return failed(name, code) if code else Member(name, entry.size, entry.offset)


def _link(opener: Opener, entry: directory.Entry) -> Link:
    try:
        with Zip().open(opener, entry.name, entry.offset, entry.size) as file:
            target = file.read(_LONGEST_TARGET).decode("utf-8", "surrogateescape")
    except (ImageError, OSError):
        target = ""
    return symbolic(entry.name, target)


def _all(opener: Opener, found: directory.Directory) -> Iterator[tuple[str, Member | None]]:
    try:
        for entry in directory.entries(kept_stream(opener), found):
            if entry.name.endswith("/"):
                yield entry.name.rstrip("/"), None
            elif not directory.is_link(entry):
                yield entry.name, _member(entry, opener.bytes)
    except ImageError:
        return
