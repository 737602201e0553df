"""Vocabulary files, read as streams: one term a line, CSV, TSV, JSON lines, Parquet and SKOS."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.errors import UsageError
from sortal.tasks.corpora.vocabulary.terms import Term, tidy

COLUMNS = ("term", "description", "synonyms", "parent")
_MOST_LINE = 1 << 20  # letters of a line
_BATCH = 8192
_OPTION = "nouns.vocabulary (--vocabulary)"


def terms_of(path: Path) -> Iterator[Term]:
    """The terms of a file in their order, with the line or row of each.

    Raises UsageError, in one line that names it, for what is no such file or is broken.
    """
    require_vocabulary(path)
    return _READERS.get(path.suffix.lower(), _text)(path)


def require_vocabulary(path: Path) -> None:
    """Raise UsageError where no file of terms is."""
    if "://" in str(path) or ":/" in str(path):
        raise UsageError(f"{_OPTION} must be a file here, got an address; fetch it first")
    if not path.is_file():
        found = "that is a folder" if path.is_dir() else "no file is there"
        raise UsageError(f"{_OPTION} must be a file of terms, got {path}; {found}")


def _text(path: Path) -> Iterator[Term]:
    for number, line in _lines(path):
        word = tidy(line)
        if word:
            yield Term(word, number)


def _delimited(path: Path) -> Iterator[Term]:
    """A table whose first line names its columns; cells hold several words between ; or |."""
    numbers = _Lines(path)
    first = next(iter(numbers), "")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ";" if _is_semicolons(first) else ","
    names = [tidy(name).casefold() for name in next(csv.reader([first], delimiter=delimiter), [])]
    _require_term(path, names)
    try:
        for cells in csv.reader(numbers, delimiter=delimiter, strict=True):
            row = dict(zip(names, cells, strict=False))
            if any(map(str.strip, cells)):
                yield _term(path, row, numbers.number)
    except csv.Error as error:
        raise _broken(path, numbers.number, f"a row of a table: {error}") from None


def _is_semicolons(first: str) -> bool:
    return ";" in first and "," not in first


def _json_lines(path: Path) -> Iterator[Term]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _broken(path, number, f"a JSON object in one line: {error}") from None
        if not isinstance(record, dict):
            raise _broken(path, number, f"a JSON object, got {type(record).__name__}")
        if "term" not in record:
            _require_term(path, list(record), number)
        yield _term(path, record, number)


def _parquet(path: Path) -> Iterator[Term]:
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            names = file.schema_arrow.names
            _require_term(path, names)
            number = 0
            columns = [name for name in COLUMNS if name in names]
            for batch in file.iter_batches(_BATCH, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield _term(path, row, number)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"{path} must be a Parquet file that can be read: {reason}") from None


def _skos(path: Path) -> Iterator[Term]:
    from sortal.tasks.corpora.vocabulary.skos import concepts

    yield from concepts(path)


_READERS: Mapping[str, Callable[[Path], Iterator[Term]]] = {
    ".csv": _delimited,
    ".tsv": _delimited,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_lines,
    ".parquet": _parquet,
    ".ttl": _skos,
    ".rdf": _skos,
    ".xml": _skos,
    ".owl": _skos,
}


def _require_term(path: Path, names: Iterable[str], number: int = 1) -> None:
    if "term" not in names:
        has = ", ".join(repr(name[:40]) for name in list(names)[:8]) or "none"
        raise UsageError(
            f"{path}, {number:,}: a vocabulary must have a column term (others that count: "
            f"description, synonyms, parent), got {has}; rename one, or give one term a line in "
            "a file .txt"
        )


def _term(path: Path, row: Mapping[str, Any], number: int) -> Term:
    word = _value(path, row, "term", number)
    if not word:
        raise UsageError(f"{path}, {number:,}: term must not be empty; leave the row out")
    return Term(
        word,
        number,
        _value(path, row, "description", number),
        _words(path, row, "synonyms", number),
        _words(path, row, "parent", number),
    )


def _value(path: Path, row: Mapping[str, Any], name: str, number: int) -> str:
    value = row.get(name)
    if value is None or value == "":
        return ""
    if not isinstance(value, str | int | float):
        kind = type(value).__name__
        raise UsageError(f"{path}, {number:,}: {name} must be a text, got {kind}; write one")
    return tidy(str(value))


def _words(path: Path, row: Mapping[str, Any], name: str, number: int) -> tuple[str, ...]:
    value = row.get(name)
    if value is None or value == "":
        return ()
    parts = value if isinstance(value, list) else [value]
    texts = [_value(path, {name: part}, name, number) for part in parts]
    split = texts if isinstance(value, list) else texts[0].replace("|", ";").split(";")
    return tuple(word for word in map(str.strip, split) if word)


class _Lines:
    """The lines of a file, and the number of the one given last."""

    def __init__(self, path: Path) -> None:
        self.number = 0
        self._lines = _lines(path)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        return line


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, of UTF-8 with or without a mark, or UTF-16 with one."""
    with path.open("rb") as file:
        start = file.read(4)
    wide = start.startswith((b"\xff\xfe", b"\xfe\xff"))
    with path.open(encoding="utf-16" if wide else "utf-8-sig", newline=None) as file:
        number = 0
        try:
            while line := file.readline(_MOST_LINE):
                number += 1
                if "\0" in line or len(line) == _MOST_LINE:
                    is_long = len(line) == _MOST_LINE
                    fault = "no line of a mebibyte" if is_long else "text, which has no zero bytes"
                    raise _broken(path, number, fault)
                yield number, line
        except UnicodeError:
            raise _broken(path, _bad_line(path, wide), "text in UTF-8; save it as such") from None


def _bad_line(path: Path, wide: bool) -> int:
    """The first line that holds bytes which are no text."""
    if not wide:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_MOST_LINE), b""), start=1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError:
                    return number
    return 1


def _broken(path: Path, number: int, wanted: str) -> UsageError:
    return UsageError(f"{path}, {number:,}: a vocabulary must hold here {wanted}")
