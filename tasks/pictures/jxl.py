"""What a JPEG XL says at its start: size, orientation, EXIF. The plugin would decode it all."""

from typing import NamedTuple

from sortal.tasks.errors import Code, ImageError

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


class JxlHeader(NamedTuple):
    """Width and height before any turn; `orientation` is the codestream's, applied by decoders."""

    width: int
    height: int
    orientation: int
    exif: bytes | None


class _Bits:
    """Bits of a codestream, the lowest first."""

    def __init__(self, data: bytes) -> None:
        self._number, self._length, self._at = int.from_bytes(data, "little"), 8 * len(data), 0

    def take(self, count: int) -> int:
        """The next `count` bits as a number; raises ImageError at the end."""
        if self._at + count > self._length:
            raise ImageError(Code.TRUNCATED)
        found = (self._number >> self._at) & ((1 << count) - 1)
        self._at += count
        return found


def read_jxl(data: bytes) -> JxlHeader:
    """The header of a JPEG XL file, bare or in boxes; raises ImageError."""
    if data.startswith(b"\xff\x0a"):
        return _codestream(data, None)
    codestream, exif = b"", None
    for kind, start, end in _boxes(data):
        if kind in (b"jxlc", b"jxlp") and len(codestream) < 64:
            codestream += data[start + (4 if kind == b"jxlp" else 0) : min(end, start + 68)]
        elif kind == b"Exif":
            exif = _without_offset(data[start:end])
    if not codestream.startswith(b"\xff\x0a"):
        raise ImageError(Code.TRUNCATED, "no picture in its boxes")
    return _codestream(codestream, exif)


def ends_early(data: bytes) -> bool:
    """Whether a file of boxes (JPEG XL, HEIF) is shorter than they say."""
    boxed = data[4:8] in (b"JXL ", b"ftyp")
    return boxed and any(end > len(data) for _, _, end in _boxes(data))


def _boxes(data: bytes) -> list[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each box."""
    found, position = [], 0
    while position + 8 <= len(data):
        size, start = int.from_bytes(data[position : position + 4], "big"), position + 8
        if size == 1:
            size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        end = position + size if size else len(data)
        if end < start:
            break
        found.append((data[position + 4 : position + 8], start, end))
        position = end
    return found


def _without_offset(block: bytes) -> bytes:
    """An EXIF box begins with an offset, which the plugin leaves out."""
    if block.startswith((b"II*\0", b"MM\0*")):
        return block
    return block[4 + int.from_bytes(block[:4], "big") :]


def _codestream(data: bytes, exif: bytes | None) -> JxlHeader:
    bits = _Bits(data[2:64])
    small = bits.take(1)
    height = _side(bits, small)
    ratio = bits.take(3)
    width = height * _RATIOS[ratio - 1][0] // _RATIOS[ratio - 1][1] if ratio else _side(bits, small)
    plain = bits.take(1)  # all of the metadata has its default
    extra = 0 if plain else bits.take(1)
    return JxlHeader(width, height, 1 + bits.take(3) if extra else 1, exif)


def _side(bits: _Bits, small: int) -> int:
    if small:
        return 8 * (bits.take(5) + 1)
    return bits.take((9, 13, 18, 30)[bits.take(2)]) + 1
