"""Formats that the extra `sortal[formats]` reads: what a file is, and which package it takes.

Their decoders are big C and C++ libraries, so they run in a process of their own (`child`).
"""

from importlib.util import find_spec
from typing import BinaryIO

from sortal.configs.schema import ImagesConfig
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.pictures.exif import Layout, entries, value

PACKAGES = {  # by format: the module that reads it, and the package that holds it
    "HEIF": ("pillow_heif", "pillow-heif"),
    "JXL": ("pillow_jxl", "pillow-jxl-plugin"),
    "RAW": ("rawpy", "rawpy"),
}
READING = 2  # raised when other facts are read from the same bytes
INSTALL = 'pip install "sortal[formats]"'
_NAMES = {"HEIF": "HEIC and HEIF", "JXL": "JPEG XL", "RAW": "camera RAW"}
_HEIF = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1")
_JXL = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_RAW = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM",
        b"II\x1a\0\0\0HEAPCCDR")  # fmt: skip
_TIFF = (b"II*\0", b"MM\0*")
_SUB_IFDS, _PHOTOMETRIC, _DNG_VERSION, _COMPRESSION = 0x014A, 0x0106, 0xC612, 0x0103
_MOSAIC = (32803, 34892)  # colour filter array, linear raw
_CAMERAS = (34713, 32767, 32769, 32770, 65535)  # compressions of Nikon, Sony, Samsung, Pentax
_MOST_DIRECTORIES = 12


def extra_format(file: BinaryIO) -> str | None:
    """The key in PACKAGES of a stream that begins at 0; None for a format that needs no extra."""
    file.seek(0)
    head = file.read(32)
    if head.startswith(_JXL):
        return "JXL"
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head.startswith(_RAW):
        return "RAW"
    return "RAW" if head.startswith(_TIFF) and _is_raw_tiff(file, head) else None


def installed() -> dict[str, bool]:
    """Whether the package of each format is there; nothing is imported."""
    return {name: find_spec(module) is not None for name, (module, _) in PACKAGES.items()}


def require(kind: str) -> None:
    """Raises ImageError, which says what to install, where a format's package is absent."""
    module, package = PACKAGES[kind]
    if find_spec(module) is None:
        text = f"{_NAMES[kind]} is read by {package}: {INSTALL}"
        raise ImageError(Code.UNSUPPORTED_FORMAT, text)


def limits_of(config: ImagesConfig) -> tuple[int, int]:
    """What a decoder may use: pixels, and bytes of memory."""
    return config.max_pixels, (2 << 30) + 32 * config.max_pixels


def _by_brand(head: bytes) -> str | None:
    if head[8:12] == b"crx ":
        return "RAW"
    if head[8:12] in (b"avif", b"avis") or b"avif" in head[16:]:
        return None  # Pillow's own
    return "HEIF" if head[8:12] in _HEIF else None


def _is_raw_tiff(file: BinaryIO, head: bytes) -> bool:
    """Whether a TIFF holds what a sensor saw, beside or instead of a picture."""
    if head[8:10] == b"CR" or head[8:12] == b"IIII":
        return True
    order = "<" if head[:2] == b"II" else ">"
    layout = Layout(file, order, big=False)
    todo = [int.from_bytes(head[4:8], "little" if order == "<" else "big")]
    for where in todo:
        for tag, code, number, inline in entries(layout, where):
            if tag == _DNG_VERSION:
                return True
            if tag not in (_SUB_IFDS, _PHOTOMETRIC, _COMPRESSION):
                continue
            found = value(layout, code, number, inline)
            if tag == _SUB_IFDS:
                found = found if isinstance(found, tuple) else (found,)
                todo += [each for each in found if isinstance(each, int)][
                    : _MOST_DIRECTORIES - len(todo)
                ]
            elif found in (_MOSAIC if tag == _PHOTOMETRIC else _CAMERAS):
                return True
    return False
