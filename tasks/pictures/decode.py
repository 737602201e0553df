"""Decoding: the upright 8-bit RGB picture of a file's bytes, or why there is none."""

import io
from typing import Any

from PIL import Image

from sortal.configs.schema import ImagesConfig
from sortal.storage.hashing import hash_bytes
from sortal.tasks.errors import Code, Failure, ImageError
from sortal.tasks.pictures.colour import to_srgb
from sortal.tasks.pictures.cut import mended
from sortal.tasks.pictures.depth import (
    has_two_bytes,
    is_deep,
    join_bytes,
    rawmode,
    swap_bytes,
    to_8_bit,
    uses_few_bits,
)
from sortal.tasks.pictures.exif import read_photo
from sortal.tasks.pictures.extra import extra_format
from sortal.tasks.pictures.foreign import foreign_picture, preview_turn
from sortal.tasks.pictures.opening import exif_of, open_image, orientation_of, upright
from sortal.tasks.pictures.refusals import BROKEN, broken
from sortal.tasks.sources.base import Source

_ASPECT = 8  # longer images are cut to their middle, or resizing would enlarge them
_MOST_FRAMES = 64  # of an animation, until one shows something
_UNIFORM = 3  # levels that a codec adds to a frame of one colour


def decode(data: bytes, config: ImagesConfig, enough: int | None = None) -> Image.Image:
    """The picture: upright, in sRGB, the first frame that shows something.

    Raises ImageError; more than `config.max_pixels` are refused before any is decoded. Where
    `enough` pixels a side suffice, a large JPEG is decoded to a smaller one at once.
    """
    if not data:
        raise ImageError(Code.ZERO_BYTE)
    kind = extra_format(io.BytesIO(data))
    if kind:
        try:
            return _foreign(kind, data, config)
        except BROKEN as error:  # a decoder that gives other pixels than it says
            raise broken(error) from error
    try:
        return _decoded(data, config, enough)
    except ImageError as error:
        whole = mended(data) if data.startswith(b"\xff\xd8") and _may_be_cut(error) else None
        if whole is None:
            raise
        return _decoded(whole, config, enough)


def read_image(
    source: Source, row: dict[str, Any], config: ImagesConfig, enough: int | None = None
) -> Image.Image | Failure:
    """The RGB picture of a row (key, path, offset, bytes), or why there is none."""
    try:
        data = source.read(row["path"], row["offset"], row["bytes"])
    except ImageError as error:
        return Failure(row["key"], error.code.value, error.message, lasting=False)
    if hash_bytes(data) != row["key"]:
        return Failure(row["key"], Code.CHANGED.value, Code.CHANGED.meaning, lasting=False)
    try:
        return decode(data, config, enough)
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


def _may_be_cut(error: ImageError) -> bool:
    return error.code in (Code.TRUNCATED, Code.DAMAGED)


def _decoded(data: bytes, config: ImagesConfig, enough: int | None = None) -> Image.Image:
    with open_image(io.BytesIO(data), config) as image:
        try:
            if enough:
                image.draft(image.mode, (enough, enough))
            layout = rawmode(image)
            image.load()
            turn = orientation_of(image, read_photo(exif_of(image)))
            picture = to_srgb(_shallow(image, layout, data, config))
            if getattr(image, "is_animated", False) and image.format != "MPO":
                picture = _telling(image, picture)
            return upright(picture, turn)
        except Image.DecompressionBombError as error:
            raise ImageError(Code.TOO_MANY_PIXELS, str(error)) from error
        except BROKEN as error:
            raise broken(error) from error


def _foreign(kind: str, data: bytes, config: ImagesConfig) -> Image.Image:
    found = foreign_picture(kind, data, config)
    if isinstance(found, Image.Image):
        return to_srgb(to_8_bit(found) if is_deep(found) else found)
    with open_image(io.BytesIO(found), config) as preview:
        own = orientation_of(preview, read_photo(exif_of(preview)))
        turn = preview_turn(preview, own, data, config)
        return upright(to_srgb(preview), turn)


def _shallow(image: Image.Image, layout: str, data: bytes, config: ImagesConfig) -> Image.Image:
    """An image of 8 bits a channel; `layout` is how the file's samples lay."""
    if is_deep(image):
        return to_8_bit(image)
    if not has_two_bytes(layout) or not uses_few_bits(image):
        return image
    with open_image(io.BytesIO(data), config) as low:
        swap_bytes(low, layout)
        if layout.startswith("LA"):
            low._mode = "RGBA"
        low.load()
        joined = join_bytes(image, low, layout)
    joined.info.update(image.info)
    return joined


def _telling(image: Image.Image, first: Image.Image) -> Image.Image:
    """The first frame of the same size that is not of one colour; else the first of all."""
    try:
        picture, number = first, 0
        while _is_uniform(picture) or picture.size != first.size:
            number += 1
            if number == _MOST_FRAMES:
                return first
            image.seek(number)
            image.load()
            picture = to_srgb(to_8_bit(image) if is_deep(image) else image)
        return picture
    except BROKEN:  # a later frame is broken, or there is none
        return first


def _is_uniform(picture: Image.Image) -> bool:
    return all(high - low <= _UNIFORM for low, high in picture.getextrema())  # type: ignore[misc]
