"""What is kept of a picture's looks: brightness, contrast, sharpness, a hash, 32 x 32 grey pixels.

All of them are taken of a small copy, so that a large and a resized picture have the same.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

SIDE = 32  # pixels of the grey copy
_SEEN = 256  # pixels of the longer side at which brightness and sharpness are taken
_HASHED = 8  # rows and columns of the cosine transform that are hashed

FIGURES = pa.schema(
    [
        ("key", pa.string()),
        ("brightness", pa.float32()),  # mean, 0 to 1
        ("bright", pa.float32()),  # brightness that 1 of 10 pixels exceeds
        ("contrast", pa.float32()),  # standard deviation of the brightness
        ("sharpness", pa.float32()),  # standard deviation of its Laplacian
        ("phash", pa.uint64()),
        ("grey", pa.binary(SIDE * SIDE)),
        ("error_code", pa.string()),  # why there are none
    ]
)


def figures_of(picture: Image.Image) -> dict[str, Any]:
    """The columns of FIGURES, but for key and error_code, of an RGB picture."""
    grey = picture.convert("L")
    small = grey.copy()
    small.thumbnail((_SEEN, _SEEN), Image.Resampling.BOX)
    light = (np.asarray(small) / 255).astype(np.float32)
    square = grey.resize((SIDE, SIDE), Image.Resampling.BOX)
    pixels = np.asarray(square, dtype=np.uint8)
    return {
        "brightness": float(light.mean()),
        "bright": float(np.quantile(light, 0.9)),
        "contrast": float(light.std()),
        "sharpness": _sharpness(light),
        "phash": phash(pixels),
        "grey": pixels.tobytes(),
    }


def _sharpness(light: NDArray[np.float32]) -> float:
    if min(light.shape) < 3:
        return 0.0
    middle = light[1:-1, 1:-1]
    around = light[:-2, 1:-1] + light[2:, 1:-1] + light[1:-1, :-2] + light[1:-1, 2:]
    return float((around / 4 - middle).std())


def _cosines() -> NDArray[np.float32]:
    """The first rows of the discrete cosine transform (type II), shape (_HASHED + 1, SIDE)."""
    rows, places = np.arange(_HASHED + 1)[:, None], np.arange(SIDE)[None, :]
    return np.cos(np.pi * rows * (places + 0.5) / SIDE).astype(np.float32)


_TRANSFORM = _cosines()


def phash(pixels: NDArray[np.uint8]) -> int:
    """64 bits: which of the 8 x 8 lowest frequencies, but the constant, are above their median."""
    found = (_TRANSFORM @ pixels.astype(np.float32) @ _TRANSFORM.T)[1:, 1:].ravel()
    bits = np.packbits(found > np.median(found))
    return int.from_bytes(bits.tobytes(), "big")
