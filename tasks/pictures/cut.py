"""JPEGs that end too early: whether one does, and the picture where nearly all of it is there."""

import io
import random
import re
from typing import BinaryIO, NamedTuple

from PIL import Image, ImageChops

_END = b"\xff\xd9"
_RESTART, _MARKER = re.compile(rb"\xff[\xd0-\xd7]"), re.compile(rb"\xff[^\0\xff\xd0-\xd7]")
_MOST_LOST = 0.01  # share of the pixels that may differ between two invented endings


class Frame(NamedTuple):
    """Size in pixels, identifiers of the components, and pixels of a unit that is coded together.

    `restart` is how many units lie between two restart markers, 0 without any.
    """

    width: int
    height: int
    parts: bytes
    unit: int
    restart: int


def lacks_end(file: BinaryIO) -> bool:
    """Whether a JPEG has no end marker behind its first scan. Looks at all only without one."""
    file.seek(-2, io.SEEK_END)
    if file.read(2) == _END:
        return False
    file.seek(0)
    data = file.read()
    start = scan_start(data)
    return start is not None and data.find(_END, start) < 0


def scan_start(data: bytes) -> int | None:
    """Where the first scan's entropy-coded bytes begin; None where none does."""
    return next((after for _, after in _scans(data)), None)


def mended(data: bytes) -> bytes | None:
    """`data` with an end, where the file lacks just that or a few bytes; None: too much is lost.

    Two endings are invented. Pixels that differ between them are those that the file does not
    determine.
    """
    frame = _frame(data)
    if frame is None or not _is_complete(data, frame):
        return None
    kept = data.rstrip(b"\0").removesuffix(b"\xff")
    first, second = (_decoded(kept + _ending(kept, frame, seed)) for seed in (1, 2))
    if first is None or second is None or first.size != second.size:
        return None
    changed = ImageChops.difference(first, second).convert("L").point(lambda level: level and 255)
    lost = 1 - changed.histogram()[0] / (first.width * first.height)
    return kept + _END if lost <= _MOST_LOST else None


def _decoded(data: bytes) -> Image.Image | None:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            image.draft("RGB", (image.width // 8, image.height // 8))  # a pixel a block
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError):
        return None


def _ending(data: bytes, frame: Frame, seed: int) -> bytes:
    """Entropy-coded noise for the rest of the picture, and the end marker.

    Where the file has restart markers, they go on. A byte for eight pixels changes a fourth of
    what is missing, or more.
    """
    length = frame.width * frame.height // 8 + 4096
    noise = random.Random(seed).randbytes(length).replace(b"\xff", b"\xfe")
    if not frame.restart:
        return noise + _END
    markers = _RESTART.findall(data, scan_start(data) or 0)
    after = (markers[-1][1] & 7) + 1 if markers else 0
    size = frame.restart * frame.unit // 8
    pieces = [noise[at : at + size] for at in range(0, length, size)]
    return (
        b"".join(
            piece + bytes((0xFF, 0xD0 + (after + place) % 8)) for place, piece in enumerate(pieces)
        )
        + _END
    )


def _is_complete(data: bytes, frame: Frame) -> bool:
    """Whether the last scan that the picture needs has begun.

    A progressive JPEG refines coefficients scan by scan; each must have come to its last bit.
    """
    left: dict[tuple[int, int], int] = {}
    for header, _ in _scans(data):
        count = header[0] if header else 0
        parts = header[1 : 1 + 2 * count : 2]
        if len(header) < 4 + 2 * count:
            return False
        first, last, bits = header[1 + 2 * count : 4 + 2 * count]
        for part in parts:
            left |= {(part, place): bits & 15 for place in range(first, min(last, 63) + 1)}
    return all(left.get((part, place), 1) == 0 for part in frame.parts for place in range(64))


def _frame(data: bytes) -> Frame | None:
    """What the segments before the first scan say; None where they say too little."""
    found, restart = None, 0
    for marker, body in _segments(data):
        if marker == 0xDD and len(body) >= 2:
            restart = int.from_bytes(body[:2], "big")
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(body) >= 6:
            found = body
    count = found[5] if found else 0
    if found is None or not count or len(found) < 6 + 3 * count:
        return None
    height, width = int.from_bytes(found[1:3], "big"), int.from_bytes(found[3:5], "big")
    factors = found[7 : 6 + 3 * count : 3]
    unit = 64 * max(each >> 4 for each in factors) * max(each & 15 for each in factors)
    return Frame(width, height, found[6 : 6 + 3 * count : 3], max(unit, 64), restart)


def _scans(data: bytes) -> list[tuple[bytes, int]]:
    """Each scan's header, and where its bytes begin."""
    found: list[tuple[bytes, int]] = []
    position = 2
    while True:
        segment = _segment(data, position)
        if segment is None:
            return found
        marker, body, after = segment
        if marker == 0xDA:
            found.append((body, after))
            behind = _MARKER.search(data, after)
            if behind is None:
                return found
            after = behind.start()
        position = after


def _segments(data: bytes) -> list[tuple[int, bytes]]:
    """Marker and body of each segment before the first scan."""
    found, position = [], 2
    while segment := _segment(data, position):
        marker, body, position = segment
        if marker == 0xDA:
            break
        found.append((marker, body))
    return found


def _segment(data: bytes, position: int) -> tuple[int, bytes, int] | None:
    """The segment at `position`: marker, body, and where the next one begins."""
    while data[position : position + 2] == b"\xff\xff":  # fill bytes
        position += 1
    if len(data) < position + 4 or data[position] != 0xFF or data[position + 1] in (0xD9, 0):
        return None
    end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return (data[position + 1], data[position + 4 : end], end) if end <= len(data) else None
