"""Label tables as JSON: lines of records, a list of them, names with labels, columns, and COCO."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import pyarrow as pa

from sortal.tasks.labels.formats.table import SAMPLE, Table
from sortal.tasks.labels.formats.values import as_text

_BROKEN = (ValueError, RecursionError)


def open_lines(text: str) -> Table:
    """The table of a text with a JSON object in each line; raises ValueError where none is."""
    bad = sum(1 for record in _records(text) if record is None)

    def each() -> Iterator[Mapping[str, Any]]:
        return (record for record in _records(text) if record is not None)

    told = f"{bad:,} lines are no JSON objects" if bad else None
    return _table(each, lambda: told)


def open_document(text: str) -> Table:
    """The table of one JSON document, or of lines; raises ValueError where it holds none."""
    try:
        document = json.loads(text)
    except _BROKEN:
        return open_lines(text)
    return _table(partial(_rows_of, document))


def _records(text: str) -> Iterator[Mapping[str, Any] | None]:
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line, start = text[start:end].strip(), end + 1
        if line:
            yield _object(line)


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
