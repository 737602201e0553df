"""Caption files, read as streams: Flickr8k and Flickr30k, COCO, plain text and tables.

Every reader yields captions as they stand in the file, and None for what is malformed.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.errors import UsageError

Captions = Iterator[str | None]

COLUMNS = ("caption", "captions", "text", "comment")  # a table's column, in this order
_TOKEN = re.compile(r"\S.*?#\d+\t(.*)")  # 1000268201.jpg#0<TAB>caption
_PIPE = re.compile(r"[^|]+\|\s*\d+\s*\|(.*)")  # 1000092795.jpg| 0| caption
_PIPE_HEADER = re.compile(r"image_name\s*\|")
_TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")


def read_captions(path: Path, file_format: str) -> Captions:
    """Stream the captions of a file; None stands for a malformed line or row.

    `file_format` is flickr, coco, text, table or auto, which goes by the name's ending and the
    first lines. Raises UsageError where the file is missing or is not of its format.
    """
    require_file(path)
    return _READERS[_sniff(path) if file_format == "auto" else file_format](path)


def require_file(path: Path) -> None:
    """Raise UsageError where no file of captions is."""
    if not path.is_file():
        raise UsageError(
            f"captions.source must be 'starter', 'vectors' or a file, got {path}; no file is there"
        )


def _sniff(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix == ".json":
        return "coco"
    if suffix == ".parquet":
        return "table"
    with _open(path) as file:
        head = [line for _, line in zip(range(20), file, strict=False)]
    if any(_TOKEN.match(line) or _PIPE.match(line) for line in head):
        return "flickr"
    is_table = suffix in _TABLES or _has_header(head)
    return "table" if is_table else "text"


def _has_header(head: list[str]) -> bool:
    """Whether a .txt file is really a CSV, as Flickr8k's `image,caption` is."""
    names = [name.strip().lower() for name in head[0].split(",")] if head else []
    return len(names) > 1 and bool(set(names) & set(COLUMNS)) and "image" in names[0]


def _open(path: Path) -> TextIO:
    """Text with undecodable bytes replaced; a caption that holds one is malformed."""
    return path.open(encoding="utf-8-sig", errors="replace", newline=None)


def _flickr(path: Path) -> Captions:
    with _open(path) as file:
        for number, line in enumerate(file):
            found = _TOKEN.match(line) or _PIPE.match(line)
            if found:
                yield found[1]
            elif line.strip() and not (number == 0 and _PIPE_HEADER.match(line)):
                yield None


def _text(path: Path) -> Captions:
    with _open(path) as file:
        yield from (line for line in file if line.strip())


def _coco(path: Path) -> Captions:
    """Captions of `annotations`. Each is cut down to its text while the JSON is parsed."""

    def cut(entry: dict[str, Any]) -> Any:
        return entry.get("caption", entry)

    try:
        with path.open(encoding="utf-8-sig") as file:
            content = json.load(file, object_hook=cut)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} must be COCO's JSON, got {error}; download it again") from None
    entries = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise UsageError(
            f"{path} must hold COCO's list 'annotations', got {_shape(content)}; use a "
            "captions_*.json file, or one caption a line (format 'text')"
        )
    return (entry if isinstance(entry, str) else None for entry in entries)


def _shape(content: Any) -> str:
    if isinstance(content, dict):
        return f"the keys {', '.join(content)}" if content else "an empty object"
    return f"a {type(content).__name__}"


def _table(path: Path) -> Captions:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _parquet(path)
    return _jsonl(path) if suffix in (".jsonl", ".ndjson") else _csv(path)


def _parquet(path: Path) -> Captions:
    try:
        file = pq.ParquetFile(path, pre_buffer=False)
    except pa.ArrowInvalid as error:
        raise UsageError(f"{path} must be a Parquet file, got {error}; write it again") from None
    with file:
        column = _column(path, file.schema_arrow.names)
        for batch in file.iter_batches(columns=[column]):
            for value in batch.column(0).to_pylist():
                yield from _values(value)


def _csv(path: Path) -> Captions:
    with _open(path) as file:
        header = file.readline()
        delimiter = max(",;\t|", key=header.count)
        names = next(csv.reader([header], delimiter=delimiter), [])
        place = names.index(_column(path, names))
        for row in _sound(csv.reader(file, delimiter=delimiter)):
            if row is None or len(row) > place:
                yield row[place] if row else None
            elif row:
                yield None


def _sound(rows: Iterator[list[str]]) -> Iterator[list[str] | None]:
    """The rows, with None for each that the csv module refuses."""
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield None


def _jsonl(path: Path) -> Captions:
    column = None
    with _open(path) as file:
        for line in filter(str.strip, file):
            row = _object(line)
            if row is None:
                yield None
                continue
            column = column or _column(path, list(row))
            yield from _values(row.get(column))


def _object(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _column(path: Path, names: list[str]) -> str:
    by_name = {name.strip().lower(): name for name in names}
    for column in COLUMNS:
        if column in by_name:
            return by_name[column]
    raise UsageError(
        f"{path} must have a column {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}; "
        f"it has {', '.join(names) or 'none'}; rename one"
    )


def _values(value: Any) -> Iterable[str | None]:
    """A cell's captions: its text, or the texts of its list."""
    values = value if isinstance(value, list) else [value]
    return (item if isinstance(item, str) else None for item in values)


_READERS: dict[str, Callable[[Path], Captions]] = {
    "flickr": _flickr,
    "coco": _coco,
    "text": _text,
    "table": _table,
}
