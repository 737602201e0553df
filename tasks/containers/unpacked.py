"""Compressed bytes as a seekable stream: forwards it reads on, backwards it begins anew."""

import bz2
import io
import lzma
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, cast

import pyarrow as pa

from sortal.tasks.containers.base import Limits, Opener
from sortal.tasks.errors import Code, ImageError

_READ = 1 << 18  # compressed bytes read at a time
_BLOCK = 1 << 20  # unpacked bytes held at a time; so far a small step back needs no new beginning
LIMITS = Limits()


class Decoder(Protocol):
    """What unpacks one stream, as those of bz2 and lzma do."""

    eof: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most `max_length` bytes; what is left of `data` comes with the next call."""

    @property
    def needs_input(self) -> bool:
        """Whether all that was given is used up."""


class Zlib:
    """zlib's decompressor with the interface of the others."""

    def __init__(self, window_bits: int) -> None:
        self._decoder = zlib.decompressobj(window_bits)
        self.eof = False
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most `max_length` bytes."""
        out = self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)
        self.eof, self.unused_data = self._decoder.eof, self._decoder.unused_data
        return out

    @property
    def needs_input(self) -> bool:
        """Whether all that was given is used up."""
        return not self._decoder.unconsumed_tail


class ZipLzma:
    """LZMA as zip files have it: the filter's properties come first, behind four bytes."""

    def __init__(self) -> None:
        self._decoder: lzma.LZMADecompressor | None = None
        self._head = b""
        self.eof = False
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most `max_length` bytes."""
        if self._decoder is None:
            self._head += data
            length = int.from_bytes(self._head[2:4], "little")
            if len(self._head) < 4 + length or len(self._head) < 4:
                return b""
            # What zipfile calls as well: nothing public reads these properties.
            kind: Any = lzma.FILTER_LZMA1
            properties = lzma._decode_filter_properties(kind, self._head[4 : 4 + length])  # type: ignore[attr-defined]
            self._decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[properties])
            data = self._head[4 + length :]
        out = self._decoder.decompress(data, max_length)
        self.eof = self._decoder.eof
        return out

    @property
    def needs_input(self) -> bool:
        """Whether all that was given is used up."""
        return self._decoder is None or self._decoder.needs_input


CODECS: dict[str, Callable[[], Decoder]] = {
    "gzip": lambda: Zlib(31),
    "deflate": lambda: Zlib(-15),
    "bz2": lambda: cast(Decoder, bz2.BZ2Decompressor()),
    "zip-lzma": ZipLzma,
    "xz": lambda: cast(Decoder, lzma.LZMADecompressor(memlimit=1 << 28)),
}
_BROKEN = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, pa.ArrowException)


def unpacked(stream: BinaryIO, codec: str, size: int | None = None) -> BinaryIO:
    """The unpacked bytes of a stream, the first `size` of them at most; see `Unpacked`."""
    source = _Zstd(stream) if codec == "zstd" else _Decoded(stream, CODECS[codec])
    return cast(BinaryIO, io.BufferedReader(Unpacked(source, size), 1 << 16))


@dataclass(frozen=True)
class UnpackedOpener:
    """Opens what a compressed container unpacks to; its size is known to nobody."""

    packed: Opener
    codec: str
    name: str

    @property
    def bytes(self) -> int:
        """Unknown: more than there can be."""
        return 1 << 62

    def __call__(self) -> BinaryIO:
        """A new stream at the beginning."""
        return unpacked(self.packed(), self.codec)


class _Source(Protocol):
    """Gives unpacked bytes block by block, from the beginning again after `restart`."""

    def restart(self) -> None: ...

    def block(self) -> bytes: ...

    def consumed(self) -> int: ...


class _Decoded:
    """Unpacked blocks of one or more streams that follow each other, as `cat a.gz b.gz` makes."""

    def __init__(self, stream: BinaryIO, make: Callable[[], Decoder]) -> None:
        self._stream = stream
        self._make = make
        self._start = stream.tell()
        self.restart()

    def restart(self) -> None:
        self._stream.seek(self._start)
        self._decoder: Decoder | None = self._make()
        self._data = b""
        self._read = 0

    def consumed(self) -> int:
        return self._read

    def block(self) -> bytes:
        while self._decoder is not None:
            if self._decoder.eof:
                self._next_stream()
                continue
            data = self._data
            if not data and self._decoder.needs_input:
                data = self._stream.read(_READ)
                self._read += len(data)
            self._data = b""
            out = self._decoder.decompress(data, _BLOCK)
            if out:
                return out
            if not data and not self._decoder.eof:
                raise EOFError("the compressed bytes end too early")
        return b""

    def _next_stream(self) -> None:
        """Begin another stream where one follows; zeros and other bytes after the end do not."""
        assert self._decoder is not None
        rest = self._decoder.unused_data or self._stream.read(_READ)
        self._decoder = None
        rest = rest.lstrip(b"\0")
        if rest.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
            self._decoder, self._data = self._make(), rest


class _Zstd:
    """Unpacked blocks of Zstandard frames."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._start = stream.tell()
        self.restart()

    def restart(self) -> None:
        self._stream.seek(self._start)
        self._input: Any = pa.CompressedInputStream(pa.PythonFile(self._stream, "r"), "zstd")

    def consumed(self) -> int:
        return self._stream.tell() - self._start

    def block(self) -> bytes:
        return bytes(self._input.read(_BLOCK))


class Unpacked(io.RawIOBase):
    """A seekable stream of unpacked bytes. Raises ImageError where they are damaged or a bomb.

    Two blocks are held, so a step back of less than one is cheap; any other begins anew.
    """

    def __init__(self, source: _Source, size: int | None = None) -> None:
        self._source = source
        self._size = size
        self._begin()

    def _begin(self) -> None:
        self._last, self._block = b"", b""
        self._block_start = 0  # where `_block` begins
        self._position = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always, though backwards it costs a new beginning."""
        return True

    def tell(self) -> int:
        """The position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Nothing is read yet; from the end only where the size is known."""
        if whence == os.SEEK_END and self._size is None:
            self._size = self._measure()
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size or 0}[whence]
        self._position = max(0, base + offset)
        return self._position

    def _measure(self) -> int:
        while self._advance():
            pass
        return self._block_start + len(self._block)

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """As many bytes as one block holds from here on."""
        wanted = len(buffer)
        if self._size is not None:
            wanted = min(wanted, max(0, self._size - self._position))
        if not wanted:
            return 0
        if self._position < self._block_start - len(self._last):
            position = self._position
            self._source.restart()
            self._begin()
            self._position = position
        while self._position >= self._block_start + len(self._block):
            if not self._advance():
                return 0
        at = self._position - self._block_start
        data = self._block[at : at + wanted] if at >= 0 else self._last[at:][:wanted]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _advance(self) -> bool:
        """The next block; False at the end."""
        try:
            block = self._source.block()
        except ImageError:
            raise
        except EOFError as error:
            raise ImageError(Code.TRUNCATED, str(error)) from error
        except _BROKEN as error:
            raise ImageError(Code.DAMAGED, " ".join(str(error).split())[:200]) from error
        if not block:
            return False
        self._last, self._block_start = self._block, self._block_start + len(self._block)
        self._block = block
        done = self._block_start + len(block)
        if done > LIMITS.free and done > LIMITS.ratio * max(1, self._source.consumed()):
            rule = f"more than {LIMITS.ratio} bytes are unpacked from each one"
            raise ImageError(Code.BOMB, f"{rule}; not read on")
        return True
