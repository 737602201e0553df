"""Inputs made to do harm, for `fuzz.py`: each function fills a folder and names its images.

A member of an archive is no name of its own here: what must be a row is a file of the folder.
"""

import gzip
import io
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from seeds import packed, saved, scene, tar

MILLION = 1_000_000
_SWELL = 1 << 30  # bytes that a member unpacks to


def hostile() -> list[Callable[[Path], list[str]]]:
    """All of them."""
    return [pixels, swelling, nested, many_in_a_zip, many_in_a_tar, links, elsewhere, lies, names]


def _sound(folder: Path) -> None:
    folder.mkdir(parents=True)
    scene().save(folder / "sound.jpg")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def pixels(folder: Path) -> list[str]:
    """Small files of billions of pixels, said or real."""
    _sound(folder)
    rows = zlib.compress(bytes(12_501 * 1000), 9)
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 1, 0, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")
    text = _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(100_000_000), 9))
    small = saved(scene(), "PNG")
    jpeg = bytearray(saved(scene(), "JPEG"))
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = b"\xff\xff\xff\xff"
    gif = bytearray(saved(Image.new("L", (3000, 3000)), "GIF"))
    gif[6:10] = b"\xff\xff\xff\xff"
    frames = [Image.new("L", (64, 64), level % 2) for level in range(3000)]
    wide = bytearray(saved(scene(), "JPEG"))
    wide[place : place + 4] = struct.pack(">HH", 4400, 4400)  # within the limit, and cut
    bmp = bytearray(saved(scene(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 60_000, -60_000)
    files = {
        "png.png": png, "text.png": small[:33] + text + small[33:], "jpeg.jpg": bytes(jpeg),
        "gif.gif": bytes(gif), "bmp.bmp": bytes(bmp), "wide.jpg": bytes(wide),
        "frames.gif": saved(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "jxl.jxl": b"\xff\x0a" + b"\xff" * 40,
        "ppm.ppm": b"P6 200000 200000 255\n" + bytes(100),
        "tall.png": saved(Image.new("L", (1, 60_000)), "PNG"),
    }  # fmt: skip
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return ["sound.jpg", *files]


def swelling(folder: Path) -> list[str]:
    """Archives of a few kilobytes or megabytes that unpack to a gigabyte."""
    _sound(folder)
    with zipfile.ZipFile(folder / "swell.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("zeros.png", "w", force_zip64=True) as member:
            for _ in range(_SWELL >> 20):
                member.write(bytes(1 << 20))
        archive.writestr("sound.jpg", saved(scene(), "JPEG"))
    with tarfile.open(folder / "swell.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("zeros.png")
        info.size = _SWELL
        archive.addfile(info, _Zeros(_SWELL))
    with gzip.open(folder / "swell.tgz", "wb") as file:  # no tar at all
        for _ in range(_SWELL >> 20):
            file.write(bytes(1 << 20))
    return ["sound.jpg"]


class _Zeros(io.RawIOBase):
    """A stream of zero bytes."""

    def __init__(self, length: int) -> None:
        self._left = length

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes of zero."""
        size = min(self._left, size if size >= 0 else self._left)
        self._left -= size
        return bytes(size)


def nested(folder: Path) -> list[str]:
    """Archives in archives, forty levels deep and sixteen wide."""
    _sound(folder)
    deep = wide = saved(scene(), "JPEG")
    for level in range(40):
        deep = packed({f"{level}.zip" if level else "a.jpg": deep})
    for _ in range(4):
        wide = packed({f"{place}.zip": wide for place in range(16)})
    mixed = tar({"a.zip": packed({"b.tar.gz": tar({"c.zip": packed({"d.jpg": deep})}, "w:gz")})})
    files = {"deep.zip": deep, "wide.zip": wide, "mixed.tar": mixed}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return ["sound.jpg"]


def many_in_a_zip(folder: Path) -> list[str]:
    """A zip of a million members that hold nothing."""
    _sound(folder)
    with zipfile.ZipFile(folder / "many.zip", "w") as archive:
        archive.writestr("a.jpg", saved(scene(), "JPEG"))
    data = (folder / "many.zip").read_bytes()
    start = data.index(b"PK\1\2")
    with (folder / "many.zip").open("wb") as file:
        file.write(data[:start])
        size = 0
        for number in range(MILLION):
            name = b"%07d.txt" % number
            size += file.write(
                struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, len(name),
                            0, 0, 0, 0, 0, 0) + name
            )  # fmt: skip
        size += file.write(data[start : data.index(b"PK\5\6")])
        end = start + size
        file.write(struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, MILLION + 1, MILLION + 1,
                               size, start))  # fmt: skip
        file.write(struct.pack("<4sIQI", b"PK\6\7", 0, end, 1))
        file.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0))
    return ["sound.jpg"]


def many_in_a_tar(folder: Path) -> list[str]:
    """A packed tar of a million members that hold nothing."""
    _sound(folder)
    with gzip.open(folder / "many.tar.gz", "wb", compresslevel=1) as file:
        for number in range(MILLION):
            block = tarfile.TarInfo(f"{number}.txt").tobuf()
            file.write(block)
        file.write(tar({"a.jpg": saved(scene(), "JPEG")}))
    return ["sound.jpg"]


def links(folder: Path) -> list[str]:
    """Links to themselves, to each other, to above, to nothing; in the folder and in tars."""
    _sound(folder)
    for name, target in {"self.jpg": "self.jpg", "up": "..", "a": "b", "b": "a", "here": ".",
                         "none.jpg": "nothing", "out.jpg": "/etc/passwd"}.items():  # fmt: skip
        (folder / name).symlink_to(target)
    (folder / "x" / "y").mkdir(parents=True)
    (folder / "x" / "y" / "back").symlink_to("../..")
    with tarfile.open(folder / "links.tar", "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            for name, target in (("a.jpg", "b.jpg"), ("b.jpg", "a.jpg"), ("c.jpg", "c.jpg"),
                                 ("d.jpg", "/etc/passwd"), ("e.jpg", "../../x.jpg")):  # fmt: skip
                info = tarfile.TarInfo(f"{kind.decode()}-{name}")
                info.type, info.linkname = kind, target
                archive.addfile(info)
    return ["sound.jpg", "self.jpg", "none.jpg", "out.jpg"]


def elsewhere(folder: Path) -> list[str]:
    """Members whose names lead out of the archive."""
    _sound(folder)
    image = saved(scene(), "JPEG")
    names = (
        "../../up.jpg",
        "/absolute.jpg",
        "C:\\windows.jpg",
        "..\\up.jpg",
        "a/../../b.jpg",
        "./",
    )
    (folder / "out.tar").write_bytes(tar(dict.fromkeys(names, image)))
    (folder / "out.zip").write_bytes(packed(dict.fromkeys(names, image)))
    (folder / "metadata.csv").write_text(
        "file_name,label\n../../etc/passwd,a\n/etc/passwd,b\nsound.jpg,c\n"
    )
    return ["sound.jpg"]


def lies(folder: Path) -> list[str]:
    """Sizes and offsets that cannot be; a zip whose members overlap."""
    _sound(folder)
    image = saved(scene(), "JPEG")
    block = bytearray(tarfile.TarInfo("huge.jpg").tobuf())
    block[124:136] = b"\x80\0\0\0\x7f" + b"\xff" * 7
    total = 256 + sum(block[:148]) + sum(block[156:512])
    block[148:156] = b"%06o\0 " % total
    (folder / "huge.tar").write_bytes(bytes(block) + image)
    whole = packed({f"{place}.jpg": image for place in range(50)}, zipfile.ZIP_STORED)
    start = whole.index(b"PK\1\2")
    overlapping, position = bytearray(whole), start
    while (position := overlapping.find(b"PK\1\2", position)) >= 0:
        overlapping[position + 42 : position + 46] = bytes(4)  # all at the first one's place
        position += 46
    (folder / "overlap.zip").write_bytes(bytes(overlapping))
    sizes = bytearray(whole)
    sizes[start + 20 : start + 28] = b"\xff\xff\xff\x7f" * 2
    (folder / "sizes.zip").write_bytes(bytes(sizes))
    return ["sound.jpg"]


def names(folder: Path) -> list[str]:
    """Names that a terminal, a page or a table might obey."""
    _sound(folder)
    written = ["sound.jpg"]
    for text in ("\x1b[2J\x1b]0;owned\x07", "a\nb", "<script>alert(1)</script>".replace("/", "_"),
                 "[red]x[", "\u202egpj", "'; DROP TABLE images; --", "-rf", "a" * 240):  # fmt: skip
        scene().save(folder / f"{text}.jpg", "JPEG")
        written.append(f"{text}.jpg")
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(saved(scene(), "JPEG"))
    return written
