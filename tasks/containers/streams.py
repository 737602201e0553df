"""Streams over containers' bytes: kept open by each thread, cut out, and unpacked as they are read.

No stream needs more memory than a few megabytes, and nothing is written to disk.
"""

import io
import os
import threading
from collections import OrderedDict
from typing import BinaryIO, cast

from sortal.tasks.containers.base import Opener
from sortal.tasks.errors import Code, ImageError

_KEPT = 4  # streams that a thread keeps open
_here = threading.local()


def kept_stream(opener: Opener) -> BinaryIO:
    """The open stream that a thread has of a container, wherever it stands; not to be closed."""
    streams: OrderedDict[Opener, BinaryIO] = _here.__dict__.setdefault("streams", OrderedDict())
    stream = streams.get(opener)
    if stream is None or stream.closed:
        stream = streams[opener] = opener()
    streams.move_to_end(opener)
    while len(streams) > _KEPT:
        streams.popitem(last=False)  # closed when the last window on it is
    return stream


def window(opener: Opener, offset: int, size: int, whole: bool = True) -> BinaryIO:
    """The bytes [offset, offset + size) of a container, as a stream; raises ImageError.

    With `whole` a container that ends before is an error, else the end of the stream.
    """
    cut = Window(kept_stream(opener), offset, size, whole)
    return cast(BinaryIO, io.BufferedReader(cut, 1 << 16))


class Window(io.RawIOBase):
    """The bytes [offset, offset + size) of a seekable stream, which others may read as well."""

    def __init__(self, stream: BinaryIO, offset: int, size: int, whole: bool = True) -> None:
        self._stream = stream
        self._whole = whole
        self._offset, self._size, self._position = offset, size, 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Nothing is read yet."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Raises ImageError where the container ends inside the window."""
        count = max(0, min(len(buffer), self._size - self._position))
        if not count:
            return 0
        try:
            self._stream.seek(self._offset + self._position)
            data = self._stream.read(count)
        except OSError as error:
            raise ImageError(Code.UNREADABLE, error.strerror or str(error)) from error
        if not data and self._whole:
            raise ImageError(Code.TRUNCATED, "the archive ends inside this member")
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
