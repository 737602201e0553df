"""Headers: format, size, flags and the photo's facts, without decoding a pixel."""

from typing import BinaryIO, NamedTuple

from PIL import Image

from sortal.configs.schema import ImagesConfig
from sortal.tasks.pictures.colour import profile_name
from sortal.tasks.pictures.cut import lacks_end
from sortal.tasks.pictures.exif import Photo, read_photo
from sortal.tasks.pictures.extra import extra_format
from sortal.tasks.pictures.foreign import foreign_header
from sortal.tasks.pictures.opening import exif_of, open_image, orientation_of, upright_size
from sortal.tasks.pictures.refusals import BROKEN, broken

CUT = "cut"  # a flag: the file lacks its end marker
_MOST_CHUNKS = 65_536  # of a PNG


class Header(NamedTuple):
    """What the header says: size in pixels of the upright picture, and facts of the shot."""

    width: int
    height: int
    format: str
    flag: str | None = None
    photo: Photo = Photo()
    color_profile: str | None = None


def read_header(file: BinaryIO, config: ImagesConfig) -> Header:
    """The header of a stream that begins at 0; raises ImageError."""
    try:
        kind = extra_format(file)
        if kind:
            width, height, photo, blocks = foreign_header(kind, file, config)
            name = profile_name(blocks.get("icc_profile"))
            return Header(width, height, kind, photo=photo, color_profile=name)
        file.seek(0)
        with open_image(file, config) as image:
            return _described(image, file)
    except BROKEN as error:
        raise broken(error) from error


def _described(image: Image.Image, file: BinaryIO) -> Header:
    kind = image.format or ""
    if kind == "TIFF":
        photo, turn = read_photo(file), 1
    else:
        exif = exif_of(image) or (_late_exif(file) if kind == "PNG" else None)
        photo = read_photo(exif)
        turn = orientation_of(image, photo)
        if turn != 1:
            photo = photo._replace(orientation=turn)
    size = upright_size(image.width, image.height, turn)
    flag = CUT if kind in ("JPEG", "MPO") and lacks_end(file) else None
    name = profile_name(image.info.get("icc_profile"))
    return Header(*size, kind, flag, photo, name)


def _late_exif(file: BinaryIO) -> bytes | None:
    """The EXIF block of a PNG that has it behind its pixels."""
    position = 8
    for _ in range(_MOST_CHUNKS):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return None
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            return file.read(min(length, 1 << 20))
        position += 12 + length
    return None
