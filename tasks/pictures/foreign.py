"""Pictures of the extra's formats: decoded by the helper, described like any other."""

from typing import Any, BinaryIO

from PIL import Image

from sortal.configs.schema import ImagesConfig
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.pictures.child import CHILDREN
from sortal.tasks.pictures.exif import Photo, read_photo
from sortal.tasks.pictures.extra import limits_of, require
from sortal.tasks.pictures.jxl import ends_early, read_jxl
from sortal.tasks.pictures.opening import upright, upright_size
from sortal.tasks.pictures.refusals import too_many

_HEAD = 262_144  # bytes in which a CR3 keeps its metadata
_PARTS = ((b"CMT1", "main"), (b"CMT2", "exif"), (b"CMT4", "gps"))  # boxes of a CR3


def foreign_picture(kind: str, data: bytes, config: ImagesConfig) -> Image.Image | bytes:
    """The upright picture, its profile in `info`; or the JPEG preview of a RAW, to be decoded."""
    facts, body = _ask("picture", kind, data, config)
    turn = _orientation(kind, facts, data)
    if facts["mode"] == "preview":
        return body
    image = Image.frombytes(facts["mode"], (facts["width"], facts["height"]), body)
    image.info.update(_blocks(facts))
    return upright(image, turn)


def preview_turn(preview: Image.Image, own: int, data: bytes, config: ImagesConfig) -> int:
    """How a RAW's preview is to be turned: as it says itself, else as the RAW does.

    A preview that stands where the sensor lies has been turned by the camera.
    """
    if own != 1:
        return own
    facts, _ = _ask("header", "RAW", data, config)
    turn: int = facts["orientation"]
    lies = facts["width"] > facts["height"]
    return 1 if turn in (5, 6, 7, 8) and lies != (preview.width > preview.height) else turn


def foreign_header(
    kind: str, file: BinaryIO, config: ImagesConfig
) -> tuple[int, int, Photo, dict[str, Any]]:
    """Width and height of the upright picture, the photo's facts, and its blocks."""
    file.seek(0)
    data = file.read()
    if kind == "JXL":
        require(kind)
        header = read_jxl(data)
        if header.width * header.height > config.max_pixels:
            raise too_many(header.width, header.height, config)
        photo = read_photo(header.exif)
        turn = header.orientation if header.orientation != 1 else photo.orientation or 1
        size = upright_size(header.width, header.height, turn)
        return *size, photo._replace(orientation=turn), {}
    facts, _ = _ask("header", kind, data, config)
    blocks = _blocks(facts)
    size = upright_size(facts["width"], facts["height"], facts.get("orientation", 1))
    photo = raw_photo(data) if kind == "RAW" else read_photo(blocks.get("exif"))
    photo = photo._replace(orientation=facts.get("stored", facts.get("orientation")))
    return *size, photo, blocks


def raw_photo(data: bytes) -> Photo:
    """The facts of a RAW: most are built like a TIFF, a RAF has them in its preview."""
    if data.startswith(b"FUJIFILMCCD-RAW"):
        where = int.from_bytes(data[84:88], "big")
        start = data.find(b"Exif\0\0", where, where + 4096)
        return read_photo(data[start:] if start >= 0 else None)
    if data[4:8] != b"ftyp":
        return read_photo(data)
    found: dict[str, Any] = {}
    for name, kind in _PARTS:
        start = data.find(name, 0, _HEAD)
        if start >= 0:
            part = read_photo(data[start + 4 : start + _HEAD], kind)
            found |= {key: one for key, one in part._asdict().items() if one is not None}
    return Photo(**found)


def _ask(op: str, kind: str, data: bytes, config: ImagesConfig) -> tuple[dict[str, Any], bytes]:
    require(kind)
    if kind == "JXL":
        header = read_jxl(data)
        if header.width * header.height > config.max_pixels:
            raise too_many(header.width, header.height, config)
    try:
        return CHILDREN.ask(op, kind, data, limits_of(config))
    except ImageError as error:
        if error.code == Code.DAMAGED and kind != "RAW" and ends_early(data):
            raise ImageError(Code.TRUNCATED) from error
        raise


def _orientation(kind: str, facts: dict[str, Any], data: bytes) -> int:
    """What is still to be turned: libheif and libjxl turn by the file's own marks."""
    if kind != "JXL":
        turn: int = facts.get("orientation", 1)
        return turn
    own = read_photo(_blocks(facts).get("exif")).orientation or 1
    return own if facts.get("is_jpeg") or read_jxl(data).orientation == 1 else 1


def _blocks(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: bytes.fromhex(block) for name, block in facts.get("blocks", {}).items()}
