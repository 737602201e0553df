"""Names as they may be shown: a terminal, a page and a log never obey what a file is called."""

import logging
import unicodedata

_KEPT = "\u200c\u200d"  # joiners, which emoji and some scripts need


def shown(text: object) -> str:
    r"""`text` with control characters as \x1b and marks of direction as \u202e."""
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(letter if _is_harmless(letter) else _escaped(letter) for letter in plain)


def _is_harmless(letter: str) -> bool:
    return letter.isprintable() or letter in _KEPT or unicodedata.category(letter) == "Zs"


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")


class ShowNames(logging.Filter):
    """Escapes what is put into a log line; the line's own words are the program's."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: every record is logged, with its arguments shown."""
        if not record.args:
            record.msg = shown(record.msg)
        elif isinstance(record.args, tuple):
            record.args = tuple(map(_argument, record.args))
        return True


def _argument(value: object) -> object:
    return value if isinstance(value, int | float) else shown(value)


logging.getLogger("sortal").addFilter(ShowNames())
