"""From bytes to pixels: what a file is, why it is not an image, and the RGB picture it holds.

Only the formats in FORMATS are ever tried, so nothing reaches Ghostscript or a rare decoder.
"""

import io
import struct
import warnings
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sortal.configs.schema import ImagesConfig
from sortal.storage.hashing import hash_bytes
from sortal.tasks.sources.base import Source
from sortal.tasks.sources.errors import Code, Failure, ImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
_ASPECT = 8  # longer images are cut to their middle, or resizing would enlarge them
_OURS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_THEIRS = {  # signatures of formats a user may well meet, to name them in the error
    b"%!PS": "EPS", b"\xc5\xd0\xd3\xc6": "EPS", b"%PDF": "PDF", b"8BPS": "PSD",
    b"\0\0\0\x0cjP": "JPEG 2000", b"\xff\x4f\xff\x51": "JPEG 2000", b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL": "JPEG XL", b"<svg": "SVG", b"\0\0\1\0": "ICO",
    b"\xd7\xcd\xc6\x9a": "WMF", b"\1\0\0\0": "EMF",
}  # fmt: skip
_GREY_16 = np.rint(np.arange(65536) / 257).astype(np.uint8)
_BROKEN = (OSError, ValueError, TypeError, LookupError, SyntaxError, EOFError, ArithmeticError,
           struct.error, MemoryError, RuntimeError, AttributeError)  # fmt: skip

# Its warnings (a large image, odd EXIF) would fill a log; what matters becomes an ImageError.
warnings.filterwarnings("ignore", module="PIL")


class Header(NamedTuple):
    """What the header says; width and height in pixels, before any EXIF rotation."""

    width: int
    height: int
    format: str


def read_header(file: BinaryIO, config: ImagesConfig) -> Header:
    """Format and size of an image of which only the header is read; raises ImageError."""
    with _open(file, config) as image:
        return Header(image.width, image.height, image.format or "")


def decode(data: bytes, config: ImagesConfig) -> Image.Image:
    """The first frame as 8-bit RGB, upright (EXIF), with transparency laid on white.

    Raises ImageError; more than `config.max_pixels` are refused before any is decoded.
    """
    if not data:
        raise ImageError(Code.ZERO_BYTE)
    with _open(io.BytesIO(data), config) as image:
        try:
            image.load()
            return _to_rgb(_upright(image))
        except Image.DecompressionBombError as error:
            raise ImageError(Code.TOO_MANY_PIXELS, str(error)) from error
        except _BROKEN as error:
            raise _broken(error) from error


def read_image(source: Source, row: dict[str, Any], config: ImagesConfig) -> Image.Image | Failure:
    """The RGB picture of a row (key, path, offset, bytes), or why there is none."""
    try:
        data = source.read(row["path"], row["offset"], row["bytes"])
    except ImageError as error:
        return Failure(row["key"], error.code.value, error.message, lasting=False)
    if hash_bytes(data) != row["key"]:
        text = "changed since it was listed; the next run reads it again"
        return Failure(row["key"], Code.UNREADABLE.value, text, lasting=False)
    try:
        return decode(data, config)
    except ImageError as error:
        return Failure(row["key"], error.code.value, error.message, lasting=True)


def middle(image: Image.Image, aspect: int = _ASPECT) -> Image.Image:
    """The central part of an image whose sides differ by more than `aspect` times."""
    width, height = image.size
    most = aspect * min(width, height)
    if max(width, height) <= most:
        return image
    left, top = max(0, (width - most) // 2), max(0, (height - most) // 2)
    return image.crop((left, top, left + min(width, most), top + min(height, most)))


def _open(file: BinaryIO, config: ImagesConfig) -> Image.Image:
    # Pillow refuses at twice this value, also where a later GIF frame outgrows the header.
    Image.MAX_IMAGE_PIXELS = config.max_pixels / 2  # type: ignore[assignment]
    start = file.tell()
    try:
        image = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise ImageError(Code.TOO_MANY_PIXELS, str(error)) from error
    except UnidentifiedImageError as error:
        file.seek(start)
        raise _unidentified(file.read(32)) from error
    except _BROKEN as error:
        raise (_cut_riff(file, start) or _broken(error)) from error
    if image.width * image.height > config.max_pixels:
        raise _too_many(image.width, image.height, config)
    return image


def _too_many(width: int, height: int, config: ImagesConfig) -> ImageError:
    text = f"{width} x {height} pixels, more than images.max_pixels = {config.max_pixels:,}"
    return ImageError(Code.TOO_MANY_PIXELS, text)


def _unidentified(head: bytes) -> ImageError:
    if not head:
        return ImageError(Code.ZERO_BYTE)
    text = head.lstrip()
    for signature, name in _THEIRS.items():
        if head.startswith(signature) or text.startswith(signature):
            return ImageError(Code.UNSUPPORTED_FORMAT, f"{name} is not read; convert it to PNG")
    if head[4:8] == b"ftyp" and not head[8:].startswith(b"avi"):
        return ImageError(Code.UNSUPPORTED_FORMAT, "HEIF or video is not read; convert it to PNG")
    if head.startswith(_OURS) and len(head) < 32:
        return ImageError(Code.TRUNCATED)
    if head.startswith(_OURS) or head[4:8] == b"ftyp":
        return ImageError(Code.DAMAGED, "begins like an image, but its header cannot be read")
    return ImageError(Code.NOT_AN_IMAGE)


def _cut_riff(file: BinaryIO, start: int) -> ImageError | None:
    """Whether a WebP is shorter than it says: its decoder only says that it failed."""
    file.seek(start)
    head = file.read(12)
    if head[:4] != b"RIFF" or len(head) < 12:
        return None
    size, declared = file.seek(0, io.SEEK_END) - start, int.from_bytes(head[4:8], "little") + 8
    if size >= declared:
        return None
    return ImageError(Code.TRUNCATED, f"{size:,} of {declared:,} bytes")


def _broken(error: BaseException) -> ImageError:
    text = " ".join(str(error).split()) or type(error).__name__
    short = isinstance(error, EOFError) or any(
        word in text.lower() for word in ("truncated", "not enough", "end of file", "eof")
    )
    return ImageError(Code.TRUNCATED if short else Code.DAMAGED, text[:200])


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _BROKEN:  # nonsense in the EXIF block is no reason to lose the picture
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _to_8_bit(image).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Grey levels of 16 bits, 32 bits or floats as 8 bits.

    Whole numbers up to 65535 are 16-bit grey and are divided by 257 (65535 -> 255); floats in
    [0, 1] are multiplied by 255 and those in [0, 255] kept; any other range is stretched.
    """
    values: np.ndarray = np.asarray(image)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if image.mode != "F" and low >= 0 and high <= 65535:
        return Image.fromarray(_GREY_16[values])  # a table, as an image may be large
    if low < 0 or high > 255:
        values = (values.astype(np.float32) - low) * (255 / max(high - low, 1e-12))
    elif high <= 1:
        values = values * 255
    values = np.nan_to_num(np.rint(values), nan=0, posinf=255, neginf=0)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))
