"""Label tables as JSON: lines of records, a list of them, names with labels, columns, and COCO."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import pyarrow as pa

from sortal.configs.errors import counted
from sortal.tasks.labels.formats.table import SAMPLE, Table
from sortal.tasks.labels.formats.values import as_text

_BROKEN = (ValueError, RecursionError)
_SHOWN = 60  # characters of a line in a warning


def open_lines(text: str) -> Table:
    """The table of a text with a JSON object in each line; raises ValueError where none is."""
    bad = [place for place, record in _records(text) if record is None]

    def each() -> Iterator[Mapping[str, Any]]:
        return (record for _, record in _records(text) if record is not None)

    told = _told(bad)
    return _table(each, lambda: told)


def open_document(text: str) -> Table:
    """The table of one JSON document, or of lines; raises ValueError where it holds none."""
    try:
        document = json.loads(text)
    except _BROKEN as error:
        if any(record is not None for _, record in _records(text)):
            return open_lines(text)
        raise ValueError(f"it is no JSON: {' '.join(str(error).split())[:120]}") from error
    said = _odd_ones(document)
    return _table(partial(_rows_of, document), lambda: said)


def _told(bad: list[str]) -> str | None:
    """What is wrong with lines that are no records, by their places."""
    if len(bad) > 1:
        return f"{len(bad):,} lines are no JSON objects and are not read, such as {bad[0]}"
    return f"1 line is no JSON object and is not read, {bad[0]}" if bad else None


def _odd_ones(document: Any) -> str | None:
    """What of a document is no record where records are listed."""
    if isinstance(document, dict) and isinstance(document.get("annotations"), list):
        n_odd = len(document["annotations"]) - sum(1 for _ in _coco(document))
        what = counted(n_odd, "annotation")
        return f"{what} without a category, or of an image without a file_name" if n_odd else None
    n_odd = sum(not isinstance(e, dict) for e in document) if isinstance(document, list) else 0
    return (
        f"{n_odd:,} of {len(document):,} entries of the list are no JSON objects" if n_odd else None
    )


def _records(text: str) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """The records line by line, None for what is none; and where each is, in words."""
    start = number = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line, start = text[start:end].strip(), end + 1
        number += 1
        if line:
            record = _object(line)
            yield (f"line {number:,}, {line[:_SHOWN]!r}" if record is None else ""), record


def _object(line: str) -> Mapping[str, Any] | None:
    try:
        record = json.loads(line)
    except _BROKEN:
        return None
    return record if isinstance(record, dict) else None


def _table(
    records: Callable[[], Iterable[Mapping[str, Any]]],
    lost: Callable[[], str | None] = lambda: None,
) -> Table:
    first = [record for record, _ in zip(records(), range(SAMPLE), strict=False)]
    names = list(dict.fromkeys(str(key) for record in first for key in record))
    if not names:
        raise ValueError("it holds no records with names")
    sample = [[as_text(record.get(name)) or "" for name in names] for record in first]

    def read(columns: list[int]) -> list[pa.Array]:
        wanted = [names[n] for n in columns]
        rows = [[as_text(record.get(name)) for name in wanted] for record in records()]
        return [pa.array([row[i] for row in rows], pa.string()) for i in range(len(wanted))]

    return Table(names, sample, read, lost)


def _rows_of(document: Any) -> Iterator[Mapping[str, Any]]:
    """The records in a document, whatever its form."""
    if isinstance(document, list):
        yield from (each for each in document if isinstance(each, dict))
    elif isinstance(document, dict) and isinstance(document.get("annotations"), list):
        yield from _coco(document)
    elif isinstance(document, dict):
        lists = [value for value in document.values() if isinstance(value, list)]
        if lists and all(isinstance(value, list) for value in document.values()) and len(lists) > 1:
            yield from (dict(zip(document, row, strict=True)) for row in zip(*lists, strict=False))
        elif lists:
            yield from _rows_of(max(lists, key=len))
        else:
            yield from _by_name(document)


def _by_name(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """`{"0.jpg": "cat"}` and `{"0.jpg": {"label": "cat"}}`."""
    for name, value in document.items():
        yield {"file_name": name, **(value if isinstance(value, dict) else {"label": value})}


def _coco(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A record for each annotation of an image, so that an image of two classes has none."""
    names = {
        each["id"]: each.get("name") for each in _dicts(document.get("categories")) if "id" in each
    }
    files = {
        each["id"]: each.get("file_name") for each in _dicts(document.get("images")) if "id" in each
    }
    for each in _dicts(document["annotations"]):
        category = each.get("category_id")
        file = files.get(each.get("image_id"), each.get("file_name"))
        if isinstance(category, int | str) and file is not None:
            yield {"file_name": file, "label": names.get(category, category)}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
