"""Thumbnails: small square pictures inside a page, as data addresses.

An image that is gone, changed or cannot be read has no thumbnail; that is never an error.
"""

import base64
import io
import logging
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from PIL import Image, ImageOps

from sortal.configs.errors import RunError, UsageError
from sortal.configs.schema import ImagesConfig
from sortal.storage.hashing import hash_bytes
from sortal.tasks.errors import ImageError
from sortal.tasks.pictures.decode import decode
from sortal.tasks.sources.base import Source
from sortal.tasks.sources.members import reading_order
from sortal.tasks.sources.registry import open_source

log = logging.getLogger("sortal")

TINY, SMALL, LARGE = 64, 112, 224  # pixels
_QUALITY = 70


class Place(NamedTuple):
    """Where an image's bytes are: `offset` and `bytes` count only inside a tar or Parquet file."""

    key: str
    path: str
    offset: int | None = None
    bytes: int | None = None


def shrink(image: Image.Image, size: int) -> bytes:
    """The middle of an RGB image as a WebP square of `size` pixels; a tall one's upper middle."""
    square = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS, centering=(0.5, 0.4))
    out = io.BytesIO()
    square.save(out, "WEBP", quality=_QUALITY, method=4)
    return out.getvalue()


def thumbnails(
    source: str, places: Iterable[Place], sizes: Mapping[str, int], config: ImagesConfig
) -> dict[str, str]:
    """Key -> `data:` address of a WebP square of `sizes[key]` pixels (default SMALL).

    Images that cannot be read, or whose bytes no longer have the key's hash, are left out.
    """
    opened = _opened(source)
    if opened is None:
        return {}
    found: dict[str, str] = {}
    for place in sorted(places, key=lambda each: reading_order(each.path, each.offset)):
        if place.key not in found:
            data = _read(opened, place, config, sizes.get(place.key, SMALL))
            if data:
                found[place.key] = "data:image/webp;base64," + base64.b64encode(data).decode()
    return found


def _opened(source: str) -> Source | None:
    try:
        return open_source(source)
    except (UsageError, RunError, OSError) as error:
        log.info("no thumbnails: %s", error)
        return None


def _read(source: Source, place: Place, config: ImagesConfig, size: int) -> bytes | None:
    try:
        data = source.read(place.path, place.offset, place.bytes)
        # The keys of ready-made vectors are the user's own; all others are content hashes.
        if source.vectors is None and hash_bytes(data) != place.key:
            return None
        return shrink(decode(data, config), size)
    except (ImageError, RunError, OSError, ValueError) as error:
        log.debug("no thumbnail of %s: %s", place.path, error)
        return None
