"""From a table's bytes to text: UTF-8, UTF-16 with and without a mark, Windows code pages."""

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HEAD = 4096  # bytes looked at
_WORDS = re.compile(rb"[A-Za-z\x80-\xff]+")


def decode(data: bytes) -> str:
    """The text of a file in whatever encoding it probably is; raises ValueError for none."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data.decode(name)
    wide = _wide(data[:_HEAD])
    if wide:
        return data[: len(data) // 2 * 2].decode(wide)
    if b"\0" in data[:_HEAD]:
        raise ValueError("it holds binary data, no text")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(code_page(data), "replace")


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark, by its zero bytes; None for other text."""
    zeros = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if half and zeros[1] > 0.4 * half > 5 * zeros[0]:
        return "utf-16-le"
    if half and zeros[0] > 0.4 * half > 5 * zeros[1]:
        return "utf-16-be"
    return None


def code_page(data: bytes) -> str:
    """The Windows code page: Cyrillic where words consist of upper bytes, else Western."""
    words = [word for word in _WORDS.findall(data[: 1 << 20]) if max(word) > 0x7F]
    upper = sum(1 for word in words if len(word) > 2 and min(word) > 0x7F)
    return "cp1251" if words and upper > 0.5 * len(words) else "cp1252"
