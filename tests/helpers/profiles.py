"""ICC profiles and raw files that are made here, since none may be committed."""

import io
import struct

import numpy as np
from PIL import Image

# Red, green and blue as XYZ under D50, and gamma.
ADOBE_RGB = ("Adobe RGB (1998)", 2.2, ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087),
             (0.14919, 0.06322, 0.74457)))  # fmt: skip
DISPLAY_P3 = ("Display P3", 2.2, ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189),
              (0.1571, 0.06657, 0.78407)))  # fmt: skip
PRO_PHOTO = ("ProPhoto RGB", 1.8, ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0),
             (0.03134, 0.00009, 0.82491)))  # fmt: skip


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _profile(space: bytes, kind: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    offset, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        padded = data + b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += padded
    head = bytearray(128)
    head[8:12], head[12:16], head[16:20], head[20:24] = b"\2\x40\0\0", kind, space, pcs
    head[24:36] = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    head[36:40], head[68:80] = b"acsp", _fixed(0.9642, 1.0, 0.8249)
    head[0:4] = struct.pack(">I", 128 + len(table) + len(body))
    return bytes(head) + table + body


def _named(name: str) -> dict[bytes, bytes]:
    text = name.encode() + b"\0"
    described = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)
    return {b"desc": described, b"cprt": b"text\0\0\0\0none\0",
            b"wtpt": b"XYZ \0\0\0\0" + _fixed(0.9642, 1.0, 0.8249)}  # fmt: skip


def rgb_profile(name: str, gamma: float, colours: tuple[tuple[float, ...], ...]) -> bytes:
    tags = _named(name)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    for letter, colour in zip(b"rgb", colours, strict=True):
        tags[bytes([letter]) + b"XYZ"] = b"XYZ \0\0\0\0" + _fixed(*colour)
        tags[bytes([letter]) + b"TRC"] = curve
    return _profile(b"RGB ", b"mntr", b"XYZ ", tags)


def red_cmyk_profile() -> bytes:
    """Every mixture of inks is the same red."""
    same = bytes(range(256))
    matrix = _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table = b"mft1\0\0\0\0\x04\x03\x02\0" + matrix + same * 4 + bytes((136, 208, 195)) * 16
    return _profile(b"CMYK", b"prtr", b"Lab ", _named("Red ink") | {b"A2B0": table + same * 3})


def _directory(entries: dict[int, tuple[int, int, bytes]], start: int) -> bytes:
    """A TIFF directory at `start` with its long values behind it, little-endian."""
    head, body = struct.pack("<H", len(entries)), b""
    where = start + 2 + 12 * len(entries) + 4
    for tag, (kind, count, data) in sorted(entries.items()):
        inline = data.ljust(4, b"\0")
        if len(data) > 4:
            inline = struct.pack("<I", where + len(body))
            body += data + b"\0" * (len(data) % 2)
        head += struct.pack("<HHI", tag, kind, count) + inline
    return head + b"\0\0\0\0" + body


def _short(*values: int) -> tuple[int, int, bytes]:
    return 3, len(values), struct.pack(f"<{len(values)}H", *values)


def _long(*values: int) -> tuple[int, int, bytes]:
    return 4, len(values), struct.pack(f"<{len(values)}I", *values)


def _text(value: str) -> tuple[int, int, bytes]:
    return 2, len(value) + 1, value.encode() + b"\0"


def dng(preview: bytes = b"", size: tuple[int, int] = (96, 64), orientation: int = 1) -> bytes:
    """A raw file of one green level; `preview` is a JPEG that it carries."""
    width, height = size
    mosaic = np.full((height, width), 1200, np.uint16)
    mosaic[0::2, 1::2] = mosaic[1::2, 0::2] = 3800
    matrix = [(int(v * 10000), 10000) for v in (0.8, -0.2, -0.1, -0.4, 1.2, 0.2, -0.1, 0.2, 0.6)]
    sensor = {
        254: _long(0), 256: _long(width), 257: _long(height), 258: _short(16), 259: _short(1),
        262: _short(32803), 273: _long(0), 277: _short(1), 278: _long(height),
        279: _long(mosaic.nbytes), 33421: _short(2, 2), 33422: (1, 4, b"\0\1\1\2"),
        50714: _short(0), 50717: _short(4095),
    }  # fmt: skip
    common = {
        271: _text("Sortal"), 272: _text("Test 1"), 274: _short(orientation),
        50706: (1, 4, b"\1\4\0\0"), 50708: _text("Sortal Test 1"), 50778: _short(21),
        50721: (10, 9, b"".join(struct.pack("<ii", *pair) for pair in matrix)),
        50728: (5, 3, struct.pack("<6I", 1, 1, 1, 1, 1, 1)),
        306: _text("2024:07:08 09:10:11"),
    }  # fmt: skip
    wide, high = Image.open(io.BytesIO(preview)).size if preview else (0, 0)
    first = {
        254: _long(1), 256: _long(wide), 257: _long(high), 258: _short(8, 8, 8), 259: _short(7),
        262: _short(6), 273: _long(0), 277: _short(3), 279: _long(len(preview)), 330: _long(0),
    }  # fmt: skip
    main = common | (first if preview else sensor)
    length = len(_directory(main, 8))
    second = len(_directory(sensor, 8 + length)) if preview else 0
    data = 8 + length + second
    sensor[273] = _long(data)
    if preview:
        main[330], main[273] = _long(8 + length), _long(data + mosaic.nbytes)
    else:
        main[273] = _long(data)
    behind = _directory(sensor, 8 + length) if preview else b""
    return (
        b"II*\0" + struct.pack("<I", 8) + _directory(main, 8) + behind + mosaic.tobytes() + preview
    )
