"""Label tables: opened by their names and bytes, understood by their columns, matched to images."""

import csv
import re
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sortal.configs.errors import counted
from sortal.tasks.labels.files import COLUMNAR, METADATA, SPREADSHEETS
from sortal.tasks.labels.formats.columnar import open_columnar
from sortal.tasks.labels.formats.delimited import open_delimited
from sortal.tasks.labels.formats.encoding import decode
from sortal.tasks.labels.formats.meaning import (
    LABELS,
    PATHS,
    SPLITS,
    TEXTS,
    column_called,
    column_for,
    split_of_file,
)
from sortal.tasks.labels.formats.records import open_document, open_lines
from sortal.tasks.labels.formats.table import Knows, Table
from sortal.tasks.labels.formats.values import composed, trimmed
from sortal.tasks.labels.match import Paths, Rows, inside

# What a damaged or hostile table makes its readers raise; none of it may end a run.
_BROKEN = (ValueError, TypeError, LookupError, ArithmeticError, OSError, RecursionError,
           MemoryError, csv.Error, pa.ArrowException)  # fmt: skip
NO_LABELS = (*SPLITS, *TEXTS)
_MANY_WORDS = 5  # a class's name has fewer
_FILE = re.compile(r"\.[a-zA-Z]\w{1,4}\s*$|[/\\]")
_NUMBER = re.compile(r"[-+]?[\d.,:/ ]+(e[-+]?\d+)?%?", re.IGNORECASE)


class NoLabelsError(ValueError):
    """A table says nothing of the images, for the reason given."""


Missing = dict[str, tuple[str | None, str | None]]


class Rated(NamedTuple):
    """What a table says of images: `rows` of the listing, with a label and a split each.

    `missing` are paths of the source that it names and nobody listed, each with its label and
    split; `warnings` say what of it could not be used.
    """

    rows: Rows
    label: pa.Array
    split: pa.Array
    missing: Missing
    warnings: list[str]


def open_table(name: str, data: bytes, knows: Knows) -> Table:
    """The table in a file of this name; raises ValueError or OSError where it holds none.

    For a format of spreadsheets NoLabelsError.
    """
    ending = name.rpartition(".")[2].lower()
    if f".{ending}" in SPREADSHEETS:
        raise NoLabelsError("a spreadsheet's own format is not read; save it as CSV")
    if f".{ending}" in COLUMNAR:
        return open_columnar(data)
    text = decode(data)
    if ending in ("jsonl", "ndjson"):
        return open_lines(text)
    if ending == "json":
        return open_document(text)
    return open_delimited(text, knows, is_list=ending == "txt")


def read_table(
    name: str, data: bytes, paths: Paths, column: str | None = None, first: bool = False
) -> Rated:
    """What the table `name` says of the images `paths`; raises ValueError with the reason.

    `column` is the label column that the user names. An image of several labels has none, or with
    `first` the first of them.
    """
    try:
        return _read(name, data, paths, column, first)
    except NoLabelsError as error:
        raise ValueError(str(error)) from error
    except _BROKEN as error:
        raise ValueError(f"it cannot be read ({_line(error)})") from error


def _read(name: str, data: bytes, paths: Paths, column: str | None, first: bool) -> Rated:
    folder = name[: name.rfind("/") + 1]
    knows = _knower(paths, folder)
    table = open_table(name, data, knows)
    path = path_column(table, knows, partial(_found, paths, folder))
    label = label_column(table, path, column)
    split = column_for(table.names or [], SPLITS)
    wanted = [path, *(n for n in (label, split) if n is not None)]
    by_number = dict(zip(wanted, table.read(wanted), strict=True))
    names = trimmed(by_number[path])
    rows = paths.find(names, folder)
    if not (rows >= 0).any() and name.rpartition("/")[2] not in METADATA:
        only = "its one name is not" if len(names) == 1 else f"none of its {len(names):,} names is"
        raise NoLabelsError(f"{only} that of an image in the source")
    return _rated(
        rows,
        names,
        None if label is None else composed(trimmed(by_number[label])),
        _splits(names, None if split is None else by_number[split], split_of_file(name)),
        _Place(folder, first, _called(table, path), [lost] if (lost := table.lost()) else []),
    )


def _called(table: Table, number: int) -> str:
    """What people call a column."""
    return repr(table.names[number]) if table.names else f"column {number + 1}"


def columns_in(name: str, data: bytes, paths: Paths) -> list[str]:
    """The names of a table's columns; none where it has no header."""
    return open_table(name, data, _knower(paths, "")).names or []


def path_column(table: Table, knows: Knows, found: Knows) -> int:
    """The column that names images: by what is in it, then by its name; raises NoLabelsError.

    `found` counts names that are of one image: those in several folders are not.
    """
    samples = [table.column(n)[:50] for n in range(table.width)]
    holding = [n for n, sample in enumerate(samples) if knows(sample)]
    named = column_for(table.names or [], PATHS)
    holding.sort(key=lambda n: n != named)
    if len(holding) > 1:
        holding.sort(key=lambda n: -found(samples[n]))
    if holding:
        return holding[0]
    if named is None:
        columns = ", ".join(table.names or []) or f"{table.width} without names"
        raise NoLabelsError(f"no column names images of the source, got {columns[:200]}")
    return named


def label_column(table: Table, path: int, column: str | None = None) -> int | None:
    """The column of labels: the user's, else by its name, else the only other one of few words.

    Numbers are classes only in a table of two columns without names.
    """
    if column is not None:
        return column_called(table.names or [], column)
    names = [name if n != path else "" for n, name in enumerate(table.names or [])]
    found = column_for(names, LABELS)
    if found is not None:
        return found
    others = [n for n in range(table.width) if n != path and not _says(names, n, NO_LABELS)]
    numbers = table.names is None and len(others) == 1
    classes = [n for n in others if _are_classes(table.column(n), numbers)]
    return classes[0] if len(classes) == 1 else None


def _says(names: Sequence[str], number: int, meanings: Sequence[str]) -> bool:
    return number < len(names) and column_for([names[number]], meanings) is not None


def _are_classes(values: list[str], numbers: bool) -> bool:
    """Whether texts are few different short ones, as classes are, and no captions or measures."""
    filled = [value.strip() for value in values if value.strip()]
    if not numbers and any(_NUMBER.fullmatch(value) for value in filled):
        return False
    short = all(len(value.split()) < _MANY_WORDS and len(value) < 50 for value in filled)
    return bool(filled) and short and len(set(filled)) <= max(2, len(filled) // 2)


def _found(paths: Paths, folder: str, names: list[str]) -> int:
    return int((paths.find(trimmed(pa.array(names, pa.string())), folder) >= 0).sum())


def _knower(paths: Paths, folder: str) -> Knows:
    """Counts the texts that are names of images; a bare number may be anything."""
    near = paths.below(folder)[0] if folder else paths
    among = near if len(near.exact) else paths

    def knows(names: list[str]) -> int:
        return among.count([name for name in names if _FILE.search(name)])

    return knows


def _splits(names: pa.Array, values: pa.Array | None, of_table: str | None) -> pa.Array:
    """A split for each row: of the table's column, else of the table's own name."""
    if values is None:
        return pa.array([of_table] * len(names), pa.string()) if of_table else _none(len(names))
    return pc.utf8_lower(trimmed(values))


class _Place(NamedTuple):
    folder: str
    first: bool
    column: str
    warnings: list[str]


def _rated(
    rows: Rows, names: pa.Array, label: pa.Array | None, split: pa.Array, place: _Place
) -> Rated:
    warnings = list(place.warnings)
    n_empty = names.null_count
    if n_empty:
        verb = "names" if n_empty == 1 else "name"
        warnings.append(f"{counted(n_empty, 'row')} {verb} no file: {place.column} is empty there")
    known = np.flatnonzero(rows >= 0)
    label = _none(len(rows)) if label is None else label
    lost = pa.table({"name": names, "label": label, "split": split}).filter(pa.array(rows < 0))
    missing, n_outside = _missing(lost, place.folder)
    if n_outside:
        lead, are = ("leads", "is") if n_outside == 1 else ("lead", "are")
        what = counted(n_outside, "name")
        warnings.append(f"{what} {lead} out of the source, or {are} of no file in it")
    said = label.take(pa.array(known))
    if place.first:
        said = _first_of_each(rows[known], said)
    found, labels, disputed = _one_each(rows[known], said)
    _, splits, _ = _one_each(rows[known], split.take(pa.array(known)))
    if disputed is not None:
        count, example = disputed
        name = names[int(np.flatnonzero(rows == example)[0])].as_py()
        verb, such = ("has", "") if count == 1 else ("have", "such as ")
        warnings.append(f"{counted(count, 'image')} {verb} two labels, and so none, {such}{name!r}")
    return Rated(found, labels, splits, missing, warnings)


def _first_of_each(rows: Rows, values: pa.Array) -> pa.Array:
    """The values, null where an earlier one is of the same row."""
    filled = np.flatnonzero(pc.is_valid(values).to_numpy(zero_copy_only=False))
    _, first = np.unique(rows[filled], return_index=True)
    keep = np.zeros(len(rows), dtype=bool)
    keep[filled[first]] = True
    return pc.if_else(pa.array(keep), values, pa.scalar(None, values.type))


def _one_each(rows: Rows, values: pa.Array) -> tuple[Rows, pa.Array, tuple[int, int] | None]:
    """Each row once, with its value, null where it has several; how many have, and one of them."""
    found, groups = np.unique(rows, return_inverse=True)
    codes = values.dictionary_encode()
    numbers = pc.fill_null(codes.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    filled = numbers >= 0
    most = np.full(len(found), -1, dtype=np.int64)
    np.maximum.at(most, groups[filled], numbers[filled])
    least = np.where(most < 0, -1, np.iinfo(np.int64).max)
    np.minimum.at(least, groups[filled], numbers[filled])
    disputed = most != least
    chosen = pa.array(np.where(disputed, 0, most), mask=(most < 0) | disputed)
    count = int(disputed.sum())
    return found, codes.dictionary.take(chosen), (count, int(found[disputed][0])) if count else None


def _missing(lost: pa.Table, folder: str) -> tuple[Missing, int]:
    """The paths in the source that are named and not listed; how many names are of no such path."""
    found: Missing = {}
    outside = 0
    for name, label, split in zip(*(column.to_pylist() for column in lost.columns), strict=True):
        path = name and inside(folder, name)
        if path:
            found.setdefault(path, (label, split))
        outside += bool(name and not path)
    return found, outside


def _none(count: int) -> pa.Array:
    return pa.nulls(count, pa.string())


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
