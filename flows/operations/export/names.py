"""Names that every file system takes, no two of a folder the same where case does not count."""

import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from sortal.storage.hashing import hash_text

_FORBIDDEN = frozenset('/\\:*?"<>|')
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))]
)
_MOST_BYTES = 150  # of a name: file systems take 255, archives and Windows' whole paths less
TAKEN = ("manifest.csv", "metadata.jsonl")  # by the export itself
_MOST_SUFFIX = 12  # letters of an ending that is kept


def safe(name: str) -> str:
    """`name` as one part of a path: what it must not hold becomes `_`, what is too long is cut.

    A cut name ends with a hash of the whole, so that two long ones stay two.
    """
    plain = unicodedata.normalize("NFC", name)
    letters = ["_" if _is_bad(letter) else letter for letter in plain]
    text = "".join(letters).strip(" ").rstrip(".")
    if text.startswith("."):
        text = f"_{text[1:]}"
    if text.partition(".")[0].strip().lower() in _RESERVED:
        text = f"_{text}"
    return _cut(text or "_")


def _is_bad(letter: str) -> bool:
    return letter in _FORBIDDEN or unicodedata.category(letter)[0] == "C"


def _cut(text: str) -> str:
    if len(text.encode("utf-8")) <= _MOST_BYTES:
        return text
    suffix = PurePosixPath(text).suffix
    suffix = suffix if len(suffix) <= _MOST_SUFFIX and suffix.isascii() else ""
    end = f"-{hash_text(text)[:8]}{suffix}"
    head = text.removesuffix(suffix).encode("utf-8")[: _MOST_BYTES - len(end)]
    return head.decode("utf-8", "ignore").rstrip(" .") + end


def folders_of(kinds: Iterable[tuple[int, str | None]]) -> dict[int, str]:
    """Kind's id -> its folder: the name, with the id behind it where two would be the same."""
    named = {id_: safe(name or f"cluster {id_}") for id_, name in sorted(set(kinds))}
    counts: dict[str, int] = {}
    for name in named.values():
        counts[name.casefold()] = counts.get(name.casefold(), 0) + 1
    return {
        id_: name
        if counts[name.casefold()] == 1 and name.casefold() not in TAKEN
        else safe(f"{name} ({id_})")
        for id_, name in named.items()
    }


class Names:
    """Gives the files of each folder their names; of equal ones the later get a hash of theirs."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, str]] = set()

    def of(self, folder: str, path: str) -> str:
        """The name in `folder` of the file at `path`."""
        name = safe(path.rpartition("/")[2])
        if (folder, name.casefold()) in self._taken:
            whole = PurePosixPath(name)
            name = f"{whole.stem}-{hash_text(path)[:8]}{whole.suffix}"
        number, first = 1, PurePosixPath(name)
        while (folder, name.casefold()) in self._taken:
            number += 1
            name = f"{first.stem}-{number}{first.suffix}"
        self._taken.add((folder, name.casefold()))
        return name
