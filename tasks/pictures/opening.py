"""Opening: the Pillow image of a file whose header says that it may be decoded.

Only the formats in FORMATS are ever tried, so nothing reaches Ghostscript or a rare decoder.
"""

import warnings
from typing import BinaryIO

from PIL import Image, ImageFile, UnidentifiedImageError

from sortal.configs.schema import ImagesConfig
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.pictures.exif import Photo, xmp_orientation
from sortal.tasks.pictures.refusals import BROKEN, broken, cut_riff, too_many, unidentified

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
_TURNED = (5, 6, 7, 8)  # orientations in which width and height change places
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip

# Its warnings (a large image, odd EXIF) would fill a log; what matters becomes an ImageError.
warnings.filterwarnings("ignore", module="PIL")


def open_image(file: BinaryIO, config: ImagesConfig) -> ImageFile.ImageFile:
    """The image of a stream that begins at 0, its pixels not decoded; raises ImageError."""
    # Pillow refuses at twice this value, also where a later GIF frame outgrows the header.
    Image.MAX_IMAGE_PIXELS = config.max_pixels / 2  # type: ignore[assignment]
    try:
        image = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise ImageError(Code.TOO_MANY_PIXELS, str(error)) from error
    except UnidentifiedImageError as error:
        raise unidentified(file) from error
    except BROKEN as error:
        raise (cut_riff(file) or broken(error)) from error
    if image.width * image.height > config.max_pixels:
        raise too_many(image.width, image.height, config)
    return image


def exif_of(image: Image.Image) -> bytes | None:
    """The EXIF block that Pillow found so far, also where ImageMagick wrote it as text."""
    block = image.info.get("exif")
    if isinstance(block, bytes):
        return block
    text = image.info.get("Raw profile type exif")
    try:
        return bytes.fromhex("".join(text.split("\n")[3:])) if isinstance(text, str) else None
    except ValueError:
        return None


def orientation_of(image: Image.Image, photo: Photo) -> int:
    """How the pixels are to be turned, 1 to 8; 1 where Pillow turns them itself (TIFF)."""
    if image.format == "TIFF":
        return 1
    info = image.info
    packet = info.get("xmp") or info.get("XML:com.adobe.xmp")
    return photo.orientation or xmp_orientation(packet) or 1


def upright_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Width and height of the picture once it is turned."""
    return (height, width) if orientation in _TURNED else (width, height)


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The picture turned as its orientation says."""
    turn = _TURNS.get(orientation)
    return image.transpose(turn) if turn is not None else image
