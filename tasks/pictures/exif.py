"""What a camera wrote beside a picture: when, where and with what it was taken (EXIF, TIFF).

Offsets and counts in the wild are often nonsense: what cannot be read is left out, never an error.
"""

import io
import re
import struct
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple

_TAGS = {  # by directory: tag -> name; a name that begins with "@" leads to another directory
    "main": {0x010F: "make", 0x0110: "model", 0x0112: "orientation", 0x0132: "changed",
             0x8769: "@exif", 0x8825: "@gps"},
    "exif": {0x9003: "original", 0x9004: "digitized", 0xA001: "space"},
    "gps": {1: "latitude_ref", 2: "latitude", 3: "longitude_ref", 4: "longitude"},
}  # fmt: skip
_TYPES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 7: "s", 9: "i", 10: "ii", 11: "f", 12: "d",
          13: "I", 16: "Q"}  # fmt: skip
_SIZES = {code: struct.calcsize("<" + kind) for code, kind in _TYPES.items()}
_MOST_ENTRIES, _MOST_BYTES = 1024, 1024  # of a directory, of a value
_TIME = re.compile(r"(\d{4})\D(\d\d)\D(\d\d)[T ]+(\d\d)\D(\d\d)\D(\d\d)")
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=[\"']|>)\s*([1-8])")
_YEARS = range(1826, 2200)  # since the first photograph


class Photo(NamedTuple):
    """What is known of a shot; `taken_at` is the camera's own clock, without a zone.

    `latitude` and `longitude` are in degrees, north and east positive; `orientation` is EXIF's,
    1 to 8, as the file has it.
    """

    taken_at: datetime | None = None
    camera_make: str | None = None
    camera_model: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    orientation: int | None = None


def read_photo(exif: bytes | BinaryIO | None, start: str = "main") -> Photo:
    """The facts in an EXIF block, or in a file that is built like a TIFF; `Photo()` without any."""
    return photo_of(read_tags(exif, start))


def read_tags(exif: bytes | BinaryIO | None, start: str = "main") -> dict[str, Any]:
    """The tags of _TAGS by name; `start` says which directory the first one is."""
    if not exif:
        return {}
    file = io.BytesIO(exif.removeprefix(b"Exif\0\0")) if isinstance(exif, bytes) else exif
    found: dict[str, Any] = {}
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 16:
        return {}
    big = struct.unpack(order + "H", head[2:4])[0] == 43  # BigTIFF
    first = struct.unpack(order + ("Q" if big else "I"), head[8:16] if big else head[4:8])[0]
    layout = Layout(file, order, big)
    _add(layout, first, start, found)
    for name in ("exif", "gps"):
        where = found.pop(f"@{name}", None)
        if isinstance(where, int):
            _add(layout, where, name, found)
    return found


class Layout(NamedTuple):
    """A file of directories: its bytes, their order, and whether it is a BigTIFF."""

    file: BinaryIO
    order: str
    big: bool


def entries(layout: Layout, where: int) -> list[tuple[int, int, int, bytes]]:
    """The entries of the directory at `where`: tag, type, count, and four or eight bytes."""
    width, size, shape = ("Q", 20, "HHQ8s") if layout.big else ("H", 12, "HHI4s")
    layout.file.seek(where)
    head = layout.file.read(struct.calcsize(width))
    if len(head) < struct.calcsize(width):
        return []
    count = struct.unpack(layout.order + width, head)[0]
    block = layout.file.read(size * min(count, _MOST_ENTRIES))
    whole = len(block) // size * size
    return list(struct.iter_unpack(layout.order + shape, block[:whole]))


def _add(layout: Layout, where: int, kind: str, found: dict[str, Any]) -> None:
    """Add the tags of one directory to `found`, the first of equal ones winning."""
    wanted = _TAGS[kind]
    with suppress(OSError, ValueError, OverflowError):
        for tag, code, number, inline in entries(layout, where):
            if tag in wanted and wanted[tag] not in found:
                read = value(layout, code, number, inline)
                if read is not None:
                    found[wanted[tag]] = read


def value(layout: Layout, code: int, number: int, inline: bytes) -> Any | None:
    """What an entry says: text as bytes, one number, or a tuple of them; None for nonsense."""
    length = number * _SIZES.get(code, 0)
    if not 0 < length <= _MOST_BYTES:
        return None
    kind = _TYPES[code]
    if length > len(inline):
        layout.file.seek(struct.unpack(layout.order + ("Q" if layout.big else "I"), inline)[0])
        inline = layout.file.read(length)
    if len(inline) < length:
        return None
    if kind == "s":
        return inline[:length]
    values = struct.unpack(layout.order + kind * number, inline[:length])
    return values[0] if len(values) == 1 else values


def photo_of(tags: dict[str, Any]) -> Photo:
    """The facts of `read_tags`, each checked for sense."""
    latitude = _degrees(tags, "latitude", b"S", 90)
    longitude = _degrees(tags, "longitude", b"W", 180)
    placed = latitude is not None and longitude is not None and (latitude, longitude) != (0, 0)
    turned = tags.get("orientation")
    return Photo(
        taken_at=_first(_time, tags, ("original", "digitized", "changed")),
        camera_make=_text(tags.get("make")),
        camera_model=_text(tags.get("model")),
        latitude=latitude if placed else None,
        longitude=longitude if placed else None,
        orientation=turned if isinstance(turned, int) and 1 <= turned <= 8 else None,
    )


def xmp_orientation(xmp: bytes | str | None) -> int | None:
    """The orientation in an XMP packet, which counts where EXIF has none."""
    packet = xmp.encode("utf-8", "replace") if isinstance(xmp, str) else xmp
    found = _XMP_ORIENTATION.search(packet) if isinstance(packet, bytes) else None
    return int(found[1]) if found else None


def _first(read: Callable[[Any], Any], tags: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((value for value in (read(tags.get(name)) for name in names) if value), None)


def _text(value: Any) -> str | None:
    if not isinstance(value, bytes):
        return None
    raw = value.partition(b"\0")[0]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    if not text.isprintable():
        text = "".join(letter for letter in text if letter.isprintable())
    return text.strip()[:100] or None


def _time(value: Any) -> datetime | None:
    found = _TIME.match(_text(value) or "")
    if not found:
        return None
    try:
        time = datetime(*map(int, found.groups()))  # type: ignore[arg-type]
    except ValueError:  # month 0, second 60, ...
        return None
    return time if time.year in _YEARS else None


def _degrees(tags: dict[str, Any], name: str, negative: bytes, most: int) -> float | None:
    """Degrees, minutes and seconds as rationals, with a letter for the sign."""
    side, values = tags.get(f"{name}_ref"), tags.get(name)
    if not isinstance(side, bytes) or not isinstance(values, tuple) or len(values) not in (2, 4, 6):
        return None
    if not values[1]:
        return None
    pairs = zip(values[::2], values[1::2], strict=True)
    parts = [top / bottom if bottom else 0.0 for top, bottom in pairs]
    total = sum(part / 60**place for place, part in enumerate(parts))
    if not 0 <= total <= most:
        return None
    return -total if side[:1].upper() == negative else total
