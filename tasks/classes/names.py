"""The names of classes: a file's lines, or what labels are called."""

from collections.abc import Iterable
from pathlib import Path

from sortal.configs.errors import UsageError
from sortal.tasks.corpora import wordnet
from sortal.tasks.evaluation.names import Senses

_LONGEST = 200  # characters of a name
_MOST_BYTES = 16_000_000  # of a file of names


def names_in(path: Path) -> list[str]:
    """The names in a text file, one a line, each once, in their order; raises UsageError."""
    if not path.is_file():
        raise UsageError(
            f"classes.names must be labels or a text file with a name a line, got {path}; no file "
            "is there"
        )
    if path.stat().st_size > _MOST_BYTES:
        raise UsageError(
            f"classes.names must be a file of at most {_MOST_BYTES:,} bytes, got {path} with "
            f"{path.stat().st_size:,}; a name is a line of it"
        )
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"classes.names must be a file of UTF-8 text, got {path}") from error
    return checked((" ".join(line.split()) for line in lines), str(path))


def names_of(labels: Iterable[str]) -> list[str]:
    """What labels are called: words with spaces, and of WordNet ids the first word."""
    senses = Senses(wordnet.read_embedded())
    return checked((senses.word(label) for label in sorted(set(labels))), "the images' labels")


def checked(names: Iterable[str], where: str) -> list[str]:
    """The names that are not empty, each once; raises UsageError where they cannot be classes."""
    found = list(dict.fromkeys(name for name in names if name))
    wrong = next((n for n in found if len(n) > _LONGEST or not n.isprintable()), None)
    if wrong is not None:
        raise UsageError(
            f"a class's name must have 1 to {_LONGEST} printable characters, got {wrong[:40]!r} in "
            f"{where}"
        )
    if len(found) < 2:
        raise UsageError(
            f"classes.names must name at least 2 classes, got {len(found)} in {where}; give more, "
            "or a method that finds kinds itself"
        )
    return found
