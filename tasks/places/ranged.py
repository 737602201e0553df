"""A file that is read over a network by ranges, as a seekable stream."""

import io
from collections.abc import Callable
from typing import BinaryIO, cast

Fetch = Callable[[int, int], bytes]  # the bytes [start, stop); raises ImageError

_LEAST, _MOST = 1 << 18, 1 << 23  # bytes of one request: more and more while reading goes on


def ranged(fetch: Fetch, size: int) -> BinaryIO:
    """A seekable stream of the `size` bytes that `fetch` gives in pieces."""
    return cast(BinaryIO, io.BufferedReader(_Ranged(fetch, size), 1 << 16))


class _Ranged(io.RawIOBase):
    """Reads ahead, more and more, while its bytes are read in order.

    A short jump forward counts as order, as from header to header of a tar file.
    """

    def __init__(self, fetch: Fetch, size: int) -> None:
        self._fetch, self._size = fetch, size
        self._position = self._start = 0
        self._held = b""
        self._ahead = _LEAST

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        count = min(len(buffer), self._size - self._position)
        if count <= 0:
            return 0
        if not self._start <= self._position < self._start + len(self._held):
            self._load(count)
        begin = self._position - self._start
        data = self._held[begin : begin + count]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _load(self, count: int) -> None:
        end = self._start + len(self._held)
        in_order = bool(self._held) and 0 <= self._position - end <= self._ahead
        self._ahead = min(self._ahead * 2, _MOST) if in_order else _LEAST
        stop = min(self._position + max(count, self._ahead), self._size)
        self._held = self._fetch(self._position, stop)
        self._start = self._position
