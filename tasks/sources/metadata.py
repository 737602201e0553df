"""Labels: from class folders, or from a metadata file as in Hugging Face's ImageFolder."""

import csv
import io
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import pyarrow.parquet as pq

from sortal.configs.errors import UsageError
from sortal.tasks.sources.base import METADATA, Entry, Labels, Source, climbs_out, printable
from sortal.tasks.sources.errors import ImageError

FILE_NAME, LABEL = "file_name", "label"
log = logging.getLogger("sortal")


def mark_metadata(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries, those of metadata files marked as such by their names."""
    for entry in entries:
        is_metadata = entry.path.rpartition("/")[2] in METADATA
        yield entry._replace(is_metadata=True) if is_metadata else entry


def split_metadata(entries: Iterable[Entry]) -> tuple[list[str], list[Entry]]:
    """The paths of the images among the entries, and the entries of metadata files."""
    paths: list[str] = []
    metadata: list[Entry] = []
    for entry in entries:
        if entry.is_metadata:
            metadata.append(entry)
        else:
            paths.append(entry.path)
    return paths, metadata


def metadata_labels(source: Source, metadata: Iterable[Entry], root: str) -> Labels | None:
    """Labels by the metadata file of `source` that lies in `root`; None without one.

    Raises UsageError where it cannot be read, or breaks a rule.
    """
    file = _find_file(source, metadata, root)
    return file and Labels(read_metadata(*file, root), root, adds_inputs=True)


def metadata_column(
    source: Source, metadata: Iterable[Entry], column: str, root: str
) -> dict[str, str | None] | None:
    """Path -> text of a column of the metadata file that lies in `root`; None without a file.

    Raises UsageError where it cannot be read, breaks a rule, or lacks the column.
    """
    file = _find_file(source, metadata, root)
    return file and dict(read_column(*file, column, root))


def _find_file(source: Source, metadata: Iterable[Entry], root: str) -> tuple[str, bytes] | None:
    """Name and bytes of the metadata file that counts."""
    entries = {entry.path: entry for entry in metadata}
    name = metadata_of(entries, root)
    for other in entries:
        if other != name:
            log.warning("%s is ignored: only metadata at the top of a source counts", other)
    if name is None:
        return None
    entry = entries[name]
    try:
        if entry.error_code:
            raise ImageError(entry.error_code, entry.error or "")
        return name, source.read(name, entry.offset, entry.bytes)
    except ImageError as error:
        raise UsageError(f"{name} cannot be read ({error.message}); repair or remove it") from error


def common_folder(paths: Iterable[str]) -> str:
    """The single top folder that holds every path, with its slash, or ""."""
    first: str | None = None
    for path in paths:
        top, slash, _ = path.partition("/")
        first = top + slash if first is None else first
        if not slash or top + slash != first:
            return ""
    return first or ""


def folder_labels(
    paths: Sequence[str], is_image: Sequence[bool], root: str = ""
) -> list[str | None]:
    """The first folder below `root` of each path; all None if an image lies in no class folder.

    Files that are no images do not decide: a broken file beside the class folders is no reason
    to lose the labels.
    """
    labels: list[str | None] = []
    for path, image in zip(paths, is_image, strict=True):
        top, slash, _ = path.removeprefix(root).partition("/")
        if image and not slash:
            return [None] * len(paths)
        labels.append(top if slash else None)
    return labels


def read_metadata(name: str, data: bytes, root: str = "") -> dict[str, str | None]:
    """File name (with `root` before it) -> label; raises UsageError for what breaks a rule.

    Every label is None when the table has no label column. Other columns are ignored.
    """
    columns, rows = _table(name, data)
    _check_columns(name, columns)
    labels: dict[str, str | None] = {}
    for row in rows:
        path = _path(name, row.get(FILE_NAME), root)
        label = _label(name, path, row.get(LABEL))
        if labels.setdefault(path, label) != label:
            both = f"{labels[path]!r} and {label!r}"
            raise UsageError(f"{name} must give a file one label, got {both} for {path!r}")
    return labels


def read_column(
    name: str, data: bytes, column: str, root: str = ""
) -> Iterator[tuple[str, str | None]]:
    """(file name, text) of each row, the text None where there is none; raises UsageError."""
    columns, rows = _table(name, data, column)
    _check_columns(name, columns)
    if column not in columns:
        raise UsageError(f"{name} must have the column {column!r} of a modality, got {columns}")
    for row in rows:
        value = row.get(column)
        yield _path(name, row.get(FILE_NAME), root), None if value is None else str(value)


def _table(name: str, data: bytes, other: str = LABEL) -> tuple[list[str], list[dict[str, Any]]]:
    """Column names, and rows of at least the columns that matter."""
    try:
        if name.endswith(".parquet"):
            file = pq.ParquetFile(io.BytesIO(data))
            columns = file.schema_arrow.names
            return columns, file.read(
                [c for c in columns if c in (FILE_NAME, LABEL, other)]
            ).to_pylist()
        text = data.decode("utf-8-sig")
        if name.endswith(".csv"):
            reader = csv.DictReader(io.StringIO(text, newline=""))
            return list(reader.fieldnames or ()), list(reader)
        rows = [dict(json.loads(line)) for line in text.split("\n") if line.strip()]
        return list(dict.fromkeys(key for row in rows for key in row)), rows
    except (ValueError, TypeError, csv.Error, OSError) as error:
        raise UsageError(f"{name} cannot be read ({error}); repair or remove it") from error


def _check_columns(name: str, columns: list[str]) -> None:
    for wanted in (FILE_NAME, LABEL):
        same = [column for column in columns if column.strip().lower() == wanted]
        if same not in ([], [wanted]):
            raise UsageError(f"{name} must have one column {wanted!r}, got {same}; rename them")
    if FILE_NAME not in columns:
        raise UsageError(f"{name} must have a column 'file_name', got {columns}; add it")


def _path(name: str, value: Any, root: str) -> str:
    if not isinstance(value, str) or not value:
        raise UsageError(f"{name} must name a file in every row, got {value!r}; fill or drop it")
    if climbs_out(value) or "\0" in value or printable(value)[1]:
        rule = f"{name} must name files inside the source"
        raise UsageError(f"{rule}, got {value!r}; write it relative to the metadata file")
    return root + str(PurePosixPath(value))


def _label(name: str, path: str, value: Any) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str | int):
        raise UsageError(f"{name} must give a text or a whole number as label, got {value!r}")
    return printable(str(value))[0]


def metadata_of(names: Iterable[str], root: str = "") -> str | None:
    """The metadata file among `names` that lies at the top; raises UsageError for two of them."""
    found = [name for name in names if name in {root + item for item in METADATA}]
    if len(found) > 1:
        raise UsageError(f"a source must have one metadata file, got {found}; keep one of them")
    return found[0] if found else None
