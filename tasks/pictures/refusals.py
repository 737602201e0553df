"""Why bytes are not a picture that is read here: the format by its signature, and the code."""

import io
import struct
from typing import BinaryIO

from sortal.configs.schema import ImagesConfig
from sortal.tasks.errors import Code, ImageError

BROKEN = (OSError, ValueError, TypeError, LookupError, SyntaxError, EOFError, ArithmeticError,
          struct.error, MemoryError, RuntimeError, AttributeError)  # fmt: skip
_OURS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_THEIRS = {  # signatures of formats a user may well meet, to name them in the error
    b"%!PS": "EPS", b"\xc5\xd0\xd3\xc6": "EPS", b"%PDF": "PDF", b"8BPS": "PSD",
    b"\0\0\0\x0cjP": "JPEG 2000", b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\x1f\x8b": "gzip (SVGZ?)", b"\0\0\1\0": "ICO", b"\0\0\2\0": "CUR", b"icns": "ICNS",
    b"\xd7\xcd\xc6\x9a": "WMF", b"\1\0\0\0": "EMF", b"gimp xcf": "XCF", b"DDS ": "DDS",
    b"\x76\x2f\x31\x01": "OpenEXR", b"#?RADIANCE": "Radiance HDR", b"SDPX": "DPX", b"XPDS": "DPX",
    b"SIMPLE  =": "FITS", b"qoif": "QOI", b"FORM": "IFF", b"AT&TFORM": "DjVu", b"\x8aMNG": "MNG",
    b"II\xbc": "JPEG XR", b"\x0a\5\1\x08": "PCX", b"/* XPM": "XPM", b"PK\3\4": "zip",
    b"\x1a\x45\xdf\xa3": "Matroska or WebM video",
}  # fmt: skip
_XML = (b"<?xml", b"<!--", b"<!DOCTYPE svg", b"\xef\xbb\xbf<")
_HEAD = 4096  # bytes in which an XML file says that it is an SVG


def too_many(width: int, height: int, config: ImagesConfig) -> ImageError:
    """More pixels than are decoded."""
    text = f"{width} x {height} pixels, more than images.max_pixels = {config.max_pixels:,}"
    return ImageError(Code.TOO_MANY_PIXELS, text)


def unidentified(file: BinaryIO) -> ImageError:
    """Why a file that no decoder knows is not one of ours."""
    file.seek(0)
    head = file.read(_HEAD)
    if not head:
        return ImageError(Code.ZERO_BYTE)
    name = _name_of(head, head.lstrip(b"\xef\xbb\xbf\r\n\t "))
    if name:
        return unsupported(name)
    if not head.startswith(_OURS) and head[4:8] != b"ftyp":
        return ImageError(Code.NOT_AN_IMAGE)
    if len(head) < 32:
        return ImageError(Code.TRUNCATED)
    return ImageError(Code.DAMAGED, "begins like an image, but its header cannot be read")


def _name_of(head: bytes, text: bytes) -> str | None:
    """The format of a file that begins like one of _THEIRS; `text` is `head` without blanks."""
    if text.startswith((b"<svg", *_XML)) and b"<svg" in head:
        return "SVG"
    if head[4:8] == b"ftyp" and head[8:12] not in (b"avif", b"avis"):
        return "a video or an unknown kind of HEIF"
    found = (name for start, name in _THEIRS.items() if head.startswith(start))
    return next(found, "EPS" if text.startswith(b"%!PS") else None)


def unsupported(name: str) -> ImageError:
    """A format that nothing here reads."""
    return ImageError(Code.UNSUPPORTED_FORMAT, f"{name} is not read; convert it to PNG")


def cut_riff(file: BinaryIO) -> ImageError | None:
    """Whether a WebP is shorter than it says: its decoder only says that it failed."""
    file.seek(0)
    head = file.read(12)
    if head[:4] != b"RIFF" or len(head) < 12:
        return None
    size, declared = file.seek(0, io.SEEK_END), int.from_bytes(head[4:8], "little") + 8
    if size >= declared:
        return None
    return ImageError(Code.TRUNCATED, f"{size:,} of {declared:,} bytes")


def broken(error: BaseException) -> ImageError:
    """What a decoder complains of, as an error of ours."""
    text = " ".join(str(error).split()) or type(error).__name__
    if "unknown pixel mode" in text.lower() or "not supported" in text.lower():
        return ImageError(
            Code.UNSUPPORTED_FORMAT, f"a kind of pixels that is not read: {text}"[:200]
        )
    short = isinstance(error, EOFError) or any(
        word in text.lower() for word in ("truncated", "not enough", "end of file", "eof")
    )
    return ImageError(Code.TRUNCATED if short else Code.DAMAGED, text[:200])
