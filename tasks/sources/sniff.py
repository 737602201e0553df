"""What a file is by the bytes that it begins with, where its name says nothing."""

import re

SNIFFED = 512  # bytes that are looked at
_BEGINNINGS = (
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0",
    b"MM\0+", b"8BPS", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"\0\0\0\x0cJXL ", b"FUJIFILMCCD",
    b"IIRO", b"IIU\0", b"FOVb",
)  # fmt: skip
_BRANDS = frozenset({
    b"avif", b"avis", b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1",
    b"crx ",
})  # fmt: skip
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
_PNM = re.compile(rb"P[1-6]\s+(?:#[^\n]*\n\s*)*\d+\s+(?:#[^\n]*\n\s*)*\d+\s")
_SVG = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*(?:<!DOCTYPE svg[^>]*>\s*)?<svg\b",
                  re.DOTALL)  # fmt: skip


def is_picture(head: bytes) -> bool:
    """Whether a file that begins so is an image, one that cannot be read included."""
    if head.startswith(_BEGINNINGS):
        return True
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    if head[4:8] == b"ftyp":
        return head[8:12] in _BRANDS
    if head[:2] == b"BM" and len(head) >= 18:
        return int.from_bytes(head[14:18], "little") in _BMP_HEADERS
    if head[:2] == b"\xff\x0a":  # a bare JPEG XL stream: two bytes prove little
        return len(head) > 12 and head[2:3] not in (b"\0", b"\n")
    return bool(_PNM.match(head) or _SVG.match(head))
