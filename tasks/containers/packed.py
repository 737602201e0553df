"""Compressed tars, and single compressed files: read in one pass, never unpacked to disk."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

import pyarrow as pa

from sortal.tasks.containers.base import Columns, Member, Opener, in_batches
from sortal.tasks.containers.streams import kept_stream, window
from sortal.tasks.containers.tar import is_tar, listed
from sortal.tasks.containers.unpacked import UnpackedOpener
from sortal.tasks.errors import Code, ImageError

_HEAD = 512
_TARS = {".tgz": ".tar", ".tbz": ".tar", ".tbz2": ".tar", ".txz": ".tar", ".tzst": ".tar"}


@dataclass(frozen=True)
class Packed:
    """What gzip, bzip2, xz or Zstandard have compressed: a tar, or one file alone.

    A member of a tar is found at its offset in the unpacked bytes.
    """

    codec: str
    holds_files: bool = True

    def members(self, opener: Opener, columns: Columns) -> Iterator[pa.RecordBatch]:
        """Those of the tar, or the one file, whose name is the container's without its ending."""
        inside = self._inside(opener)
        if is_tar(_head(inside)):
            yield from in_batches(listed(inside, opener.name))
        elif inside.name.lower().endswith(".tar"):
            raise ImageError(Code.DAMAGED, "its name says tar, and what is unpacked is none")
        else:
            yield from in_batches([Member(inside.name, 0, 0)])

    def open(self, opener: Opener, path: str, offset: int, size: int) -> BinaryIO:
        """A stream of a member's bytes; this thread goes on where it is for ascending ones."""
        inside = self._inside(opener)
        if size == 0 and offset == 0:
            return inside()
        return window(inside, offset, size)

    def _inside(self, opener: Opener) -> UnpackedOpener:
        name = PurePosixPath(opener.name)
        ending = _TARS.get(name.suffix.lower(), "")
        return UnpackedOpener(opener, self.codec, (name.stem or name.name) + ending)


def _head(inside: UnpackedOpener) -> bytes:
    stream = kept_stream(inside)
    stream.seek(0)
    return stream.read(_HEAD)
