"""Which of the texts of a source are read as label tables, and in which order."""

from collections import Counter

import numpy as np
import pyarrow as pa

from sortal.tasks.labels.files import METADATA, TABLES
from sortal.tasks.labels.sidecars import used_rows

_LOOSE = (".txt", ".json")  # tables only where there are few of them: they are sidecars as a rule
_FEW = 10
_LARGEST = 1 << 31  # bytes of a table
_FIRST = ("metadata", "labels", "label", "annotations", "classes", "train")
_CALLED = ("metadata", "label", "annotations", "train")  # what labels are in, if in no CSV
_LAST = ("submission", "example")
_WARNINGS = 5  # tables that a warning names one by one

Place = tuple[str, int | None, int]


def chosen_tables(images: pa.Array, texts: pa.Table) -> list[Place]:
    """(path, offset, bytes) of what may be label tables: deep ones first, `metadata` first of all.

    Texts beside an image are none, and of `.txt` and `.json` many in a folder are none.
    """
    rows = np.flatnonzero(~used_rows(images, texts))
    few = texts.select(["path", "offset", "bytes"]).take(pa.array(rows))
    places = [
        (path, offset, size)
        for path, offset, size in zip(*(c.to_pylist() for c in few.columns), strict=True)
        if path.lower().endswith(TABLES) and size <= _LARGEST
    ]
    loose = Counter(_folder(path) for path, _, _ in places if _is_loose(path))
    kept = [p for p in places if not _is_loose(p[0]) or loose[_folder(p[0])] <= _FEW]
    return sorted((p for p in kept if not _is_example(p[0])), key=_order)


def told_of(unused: dict[str, str]) -> list[str]:
    """Warnings of the tables that could not be used, by name and reason.

    Texts that need not be tables, such as a README.txt, are passed over, unless they are called
    as tables are or are broken.
    """
    named = {name: why for name, why in unused.items() if _counts(name, why)}
    lines = [f"{name} gives no labels: {why}" for name, why in list(named.items())[:_WARNINGS]]
    more = len(named) - len(lines)
    plural = "table gives" if more == 1 else "tables give"
    return [*lines, f"{more:,} more {plural} no labels"] if more else lines


def _counts(name: str, why: str) -> bool:
    """Whether a person would miss the labels of what was not used."""
    is_broken = name.lower().endswith(".json") and why.startswith("it cannot be read")
    return not _is_loose(name) or is_broken or _stem(name).startswith(_CALLED)


def _is_loose(path: str) -> bool:
    base = path.rpartition("/")[2].lower()
    return base.endswith(_LOOSE) and base not in METADATA


def _is_example(path: str) -> bool:
    stem = _stem(path)
    return any(word in stem for word in _LAST) and not stem.startswith(_FIRST)


def _order(place: Place) -> tuple[int, int, str]:
    path = place[0]
    stem = _stem(path)
    rank = next((i for i, word in enumerate(_FIRST) if stem.startswith(word)), len(_FIRST))
    return (-path.count("/"), rank, path)


def _stem(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0].lower()


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
