"""Reading: the RGB picture of a listed image, or the row that says why there is none."""

from typing import Any, NamedTuple

from PIL import Image

from sortal.configs.schema import ImagesConfig
from sortal.storage.hashing import hash_bytes
from sortal.tasks.sources.base import ImageSource
from sortal.tasks.sources.decode import Code, ImageError, decode

_ASPECT = 8  # longer pictures are cut to their middle, or resizing would swell them


class Failure(NamedTuple):
    """An image without a vector. `lasting`: its bytes are to blame, so trying again is vain."""

    key: str
    error_code: str
    error: str
    lasting: bool


def read_image(
    source: ImageSource, row: dict[str, Any], config: ImagesConfig
) -> Image.Image | Failure:
    """The RGB picture of a row (key, path, offset, bytes), or why there is none."""
    try:
        data = source.read(row["path"], row["offset"], row["bytes"])
    except ImageError as error:
        return Failure(row["key"], error.code.value, error.message, lasting=False)
    if hash_bytes(data) != row["key"]:
        text = "changed since it was listed; the next run reads it anew"
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
