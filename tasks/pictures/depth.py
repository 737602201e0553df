"""Deep pixels as 8 bits: whole numbers by the bits that are used, floats by their range.

Cameras and scanners write 10, 12 or 14 bits into 16 without saying so. The least of _DEPTHS that
holds the greatest value is taken for white; 8 bits repeated into 16 are seen and halved.
"""

import sys
from typing import Any

import numpy as np
from PIL import Image, ImageFile

_DEPTHS = (8, 10, 12, 14, 16, 20, 24, 32)
_SIGNED_DEPTHS = (8, 10, 12, 14, 15, 20, 24, 31)
_MOST_HIGH = 64  # a high byte below it: 14 bits or less are used
_OTHER = {"16L": "16B", "16B": "16L", "16N": "16B" if sys.byteorder == "little" else "16L"}
_NO_DATA = 42113  # TIFF: a value that stands for nothing, as GDAL writes it
_SAMPLE_FORMAT, _UNSIGNED, _SIGNED = 339, 1, 2


def is_deep(image: Image.Image) -> bool:
    """Whether one channel holds more than 8 bits."""
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def to_8_bit(image: Image.Image) -> Image.Image:
    """One channel of 16 bits, 32 bits or floats as grey levels; what is no number is black."""
    values: np.ndarray = np.asarray(image)
    nothing = _no_data(image, values)
    if image.mode == "F":
        levels = _of_floats(values, ~nothing & np.isfinite(values))
    else:
        kind = _tag(image, _SAMPLE_FORMAT, 0)
        if image.mode == "I" and kind in (_UNSIGNED, (_UNSIGNED,)):
            values = values.view(np.uint32)
        signed = kind in (_SIGNED, (_SIGNED,))
        levels = _of_integers(values, ~nothing, _SIGNED_DEPTHS if signed else _DEPTHS)
    levels = np.nan_to_num(np.rint(levels), nan=0, posinf=255, neginf=0).clip(0, 255)
    levels[nothing] = 0
    return Image.fromarray(levels.astype(np.uint8))


def rawmode(image: ImageFile.ImageFile) -> str:
    """How the file's samples are laid out (`RGB;16B`), for an image that is not loaded yet."""
    args = image.tile[0].args if image.tile else ""
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def has_two_bytes(layout: str) -> bool:
    """Whether several channels of 16 bits are read, of which Pillow keeps the high bytes."""
    return layout.partition(";")[2] in _OTHER and not layout.startswith("I")


def uses_few_bits(image: Image.Image) -> bool:
    """Whether the high bytes that were read say that at most 14 bits of 16 are used."""
    spans = image.getextrema()
    colours = spans[: 1 if image.mode == "LA" else 3] if isinstance(spans[0], tuple) else [spans]
    return max(high for _, high in colours) < _MOST_HIGH


def swap_bytes(image: ImageFile.ImageFile, layout: str) -> None:
    """Have an image that is not loaded yet give the low bytes of its samples."""
    kind, _, order = layout.partition(";")
    # Grey and alpha are four bytes a pixel, high and low of each, and read as they are.
    other = "RGBA" if kind == "LA" else f"{kind};{_OTHER[order]}"
    image.tile = [tile._replace(args=_replaced(tile.args, other)) for tile in image.tile]


def join_bytes(high: Image.Image, low: Image.Image, layout: str) -> Image.Image:
    """The picture of 16-bit channels from their high and their low bytes, scaled to 8 bits."""
    tops, bottoms = np.asarray(high), np.asarray(low)
    if layout.startswith("LA"):
        wide = np.stack([bottoms[..., 0]] * 3, -1).astype(np.uint16) << 8
        wide |= bottoms[..., 1, None]
    else:
        wide = (tops[..., :3].astype(np.uint16) << 8) | bottoms[..., :3]
    levels = np.rint(_of_integers(wide, None)).clip(0, 255).astype(np.uint8)
    if tops.shape[-1] == 4:
        levels = np.concatenate([levels, tops[..., 3:]], -1)
    return Image.fromarray(levels)


def _replaced(args: Any, layout: str) -> Any:
    return (layout, *args[1:]) if isinstance(args, tuple) else layout


def _of_integers(
    values: np.ndarray, good: np.ndarray | None, depths: tuple[int, ...] = _DEPTHS
) -> np.ndarray:
    seen = values if good is None or good.all() else values[good]
    if not seen.size:
        return np.zeros(values.shape, np.float32)
    low, high = int(seen.min()), int(seen.max())
    if low < 0:
        return _stretched(values, low, high)
    if high < 65536 and _repeats_8_bits(values, high):
        return (values >> 8).astype(np.float32)
    depth = next(depth for depth in depths if high < 2**depth)
    return values.astype(np.float32) * np.float32(255 / (2**depth - 1))


def _repeats_8_bits(values: np.ndarray, high: int) -> bool:
    return high > 255 and high % 257 == 0 and bool((values % 257 == 0).all())


def _of_floats(values: np.ndarray, good: np.ndarray) -> np.ndarray:
    seen = values[good]
    if not seen.size:
        return np.zeros(values.shape, np.float32)
    low, high = float(seen.min()), float(seen.max())
    if low >= -0.1 and high <= 1.1:  # a filter may overshoot 0 and 1 a little
        return values * 255
    if low >= 0 and 16 < high <= 255:
        return values
    if low >= 0 and 255 < high < 65536:
        depth = next(depth for depth in _DEPTHS if high < 2**depth)
        return values * (255 / (2**depth - 1))
    bottom, top = np.percentile(seen, [0.5, 99.5])
    return _stretched(values, *((bottom, top) if top > bottom else (low, high)))


def _stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    with np.errstate(all="ignore"):  # values that no float32 holds
        scaled: np.ndarray = (values.astype(np.float32) - low) * (255 / max(high - low, 1e-12))
    return scaled


def _no_data(image: Image.Image, values: np.ndarray) -> np.ndarray:
    """Where a TIFF says that there is nothing."""
    try:
        nothing = float(_tag(image, _NO_DATA, "nan"))
    except (TypeError, ValueError):
        nothing = float("nan")
    return np.equal(values, nothing)


def _tag(image: Image.Image, number: int, default: Any) -> Any:
    tags = getattr(image, "tag_v2", None)
    return tags.get(number, default) if tags is not None else default
