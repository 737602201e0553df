"""Tables as containers: each value of the column of images is a member, or each item of a list.

An offset is an address: the row in its lowest 36 bits, then 16 bits of a list's index, then the
number of the column that the user named, plus one. So who reads an image needs no settings.
"""

import io
import logging
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, BinaryIO, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from sortal.tasks.containers.base import MEMBERS, Columns, Member, NoImagesError, Opener, in_batches
from sortal.tasks.containers.image_column import ImageColumn, column_at, find_column
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.file_names import printable
from sortal.tasks.labels.formats.meaning import NAMED_LABELS, column_called, column_for
from sortal.tasks.labels.formats.values import class_names, text_array, trimmed

NAMES = ("file_name", "filename", "path", "key")  # columns that may name the images
# What pyarrow raises for a damaged file, a MemoryError where a length lies.
BROKEN = (OSError, ValueError, EOFError, MemoryError, LookupError, OverflowError, pa.ArrowException)
_INDEX, _COLUMN = 36, 52  # where these begin in an offset
_ROWS, _INDICES = (1 << _INDEX) - 1, (1 << (_COLUMN - _INDEX)) - 1
_LOOKED_AT = 8  # values of a column that say whether they are images
_FEW = 64  # rows read at a time where their images come with them
_MANY = 65_536
_here = threading.local()
log = logging.getLogger("sortal")


class Reader(Protocol):
    """An open table file. Raises what is in BROKEN where it is damaged."""

    @property
    def schema(self) -> pa.Schema:
        """The columns."""

    def batches(self, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        """All rows, of some columns, at most so many at a time; `a.path` is a field of structs."""

    def start_of(self, row: int) -> int:
        """The first row of the piece that `values_from` begins with."""

    def values_from(self, row: int, column: str) -> Iterator[tuple[int, pa.Array]]:
        """(first row, values) of a column, of the piece that holds a row, and of those after it.

        Raises ValueError for a row that is not there.
        """


class TableContainer:
    """A container of a kind of tables, which `reader` opens. Hashable by the kind."""

    def __init__(self, kind: str, reader: Callable[[BinaryIO], Reader]) -> None:
        self._kind, self._reader = kind, reader

    def __hash__(self) -> int:
        return hash(self._kind)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TableContainer) and other._kind == self._kind

    @property
    def holds_files(self) -> bool:
        """False: each row is an image."""
        return False

    def members(self, opener: Opener, columns: Columns) -> Iterator[pa.RecordBatch]:
        """A member for each image, in the order of rows (columns: MEMBERS).

        Raises NoImagesError for a table without images, ImageError for one that cannot be read.
        """
        try:
            with opener() as file:
                reader = self._reader(file)
                column, others = find_column(reader.schema, columns, _first_of(reader))
                if others:
                    log.warning(
                        "%s: images of the column %s are read, not of %s; --column names another",
                        opener.name, column.name, ", ".join(others),
                    )  # fmt: skip
                yield from _members(reader, column, columns.label, opener.name)
        except BROKEN as error:
            raise ImageError(Code.DAMAGED, _line(error)) from error

    def open(self, opener: Opener, path: str, offset: int, size: int) -> BinaryIO:
        """A stream of the image at an offset that `members` gave; raises ImageError."""
        try:
            data = self._images_of(opener, offset >> _COLUMN).read(offset & _ROWS)
        except NoImagesError as error:
            raise ImageError(Code.DAMAGED, str(error)) from error
        except BROKEN as error:
            raise ImageError(Code.DAMAGED, _line(error)) from error
        index = offset >> _INDEX & _INDICES
        found = data[index] if index < len(data) else None
        if not isinstance(found, bytes):
            raise ImageError(Code.MISSING, "the row holds no bytes")
        return io.BytesIO(found)

    def _images_of(self, opener: Opener, number: int) -> "_Images":
        """The open images of a container; the last one stays open in this thread."""
        identity = (self._kind, opener, number)
        if getattr(_here, "identity", None) != identity:
            close_last()
            file = opener()
            _here.file = file
            reader = self._reader(file)
            column = (
                column_at(reader.schema, number - 1)
                if number
                else find_column(reader.schema, Columns(), _first_of(reader))[0]
            )
            _here.images, _here.identity = _Images(reader, column), identity
        images: _Images = _here.images
        return images


def close_last() -> None:
    """Close the table that this thread has read last."""
    file = getattr(_here, "file", None)
    _here.identity, _here.images, _here.file = None, None, None
    if file is not None:
        file.close()


class _Images:
    """Images by their rows: the rows after one are at hand for the next call."""

    def __init__(self, reader: Reader, column: ImageColumn) -> None:
        self._reader, self._column = reader, column
        self._pieces: Iterator[tuple[int, pa.Array]] = iter(())
        self._first, self._values = 0, pa.array([], pa.binary())
        self._damage: tuple[int, str] | None = None

    def read(self, row: int) -> list[Any]:
        """The images' bytes in a row; raises what is in BROKEN."""
        if not self._first <= row < self._first + len(self._values):
            self._go_to(row)
        return self._column.values(self._values[row - self._first].as_py())

    def _go_to(self, row: int) -> None:
        read = self._first + len(self._values)
        if not len(self._values) or not self._reader.start_of(row) <= read <= row:
            self._pieces = self._reader.values_from(row, self._column.name)
        self._values = self._values.slice(0, 0)
        for first, values in self._pieces:
            self._first, self._values = first, values
            if row < first + len(values):
                return
        self._pieces = iter(())
        raise ValueError(f"row {row:,} is gone: the file ends before it")


def _members(
    reader: Reader, column: ImageColumn, label: str | None, name: str
) -> Iterator[pa.RecordBatch]:
    """The members; a damaged end is a failed one with the container's name."""
    row = 0
    about = _About(reader.schema, column, label)
    try:
        for batch in reader.batches(about.needed, about.rows):
            yield about.table(batch, row)
            row += batch.num_rows
    except BROKEN as error:
        lost = Member(name, 0, None, Code.DAMAGED.value, f"from row {row:,} on: {_line(error)}")
        yield from in_batches([lost])


class _About:
    """What of a table tells about its images: their names and labels."""

    def __init__(self, schema: pa.Schema, column: ImageColumn, label: str | None) -> None:
        self._column = column
        names = schema.names
        plain = [name if name != column.name else "" for name in names]
        number = column_for(plain, NAMED_LABELS) if label is None else column_called(plain, label)
        self._label = None if number is None else names[number]
        self._classes = self._label and class_names(schema, self._label)
        self._name = next((name for name in NAMES if name in names), None)
        self._inner = f"{column.name}.{column.path}" if column.path else None
        self.needed = [name for name in (self._label, None if column.path else self._name) if name]
        if self._inner or column.is_list:
            self.needed.append(self._inner or column.name)
        self.rows = _FEW if column.is_list and not self._inner else _MANY

    def table(self, batch: pa.RecordBatch, start: int) -> pa.RecordBatch:
        """The members of a batch whose first row is `start` (columns: MEMBERS)."""
        label = pa.nulls(batch.num_rows, pa.string())
        if self._label:
            label = trimmed(text_array(batch.column(self._label), self._classes))
        if self._column.is_list:
            return next(in_batches(self._items(batch, start, label)), _NONE)
        numbers = pa.array(range(start, start + batch.num_rows), pa.int64())
        base = self._names(batch)
        paths = numbers.cast(pa.string())
        named = pc.and_(pc.is_valid(base), pc.not_equal(base, ""))
        paths = pc.if_else(
            pc.fill_null(named, False), pc.binary_join_element_wise(paths, base, "/"), paths
        )
        empty = pa.nulls(batch.num_rows, pa.string())
        offsets = pc.add(numbers, self._column_bits())
        sizes = pa.repeat(pa.scalar(0, pa.int64()), batch.num_rows)
        return pa.record_batch([paths, sizes, offsets, empty, empty, label], schema=MEMBERS)

    def _items(self, batch: pa.RecordBatch, start: int, label: pa.Array) -> Iterator[Member]:
        lists = batch.column(self._column.name).to_pylist()
        for row, (items, text) in enumerate(zip(lists, label.to_pylist(), strict=True), start):
            for index, given in enumerate(self._column.paths(items)[: _INDICES + 1]):
                base = str(given or "").rpartition("/")[2]
                path = printable(f"{row}.{index}" + (f"/{base}" if base else ""))[0]
                offset = row | index << _INDEX | self._column_bits()
                yield Member(path, 0, offset, label=text)

    def _names(self, batch: pa.RecordBatch) -> pa.Array:
        """The base names of a batch's images."""
        if self._inner:
            values = batch.column(self._column.name)
            texts = text_array(pc.struct_field(_storage(values), self._column.path))
        elif self._name:
            texts = text_array(batch.column(self._name))
        else:
            return pa.nulls(batch.num_rows, pa.string())
        return pc.replace_substring_regex(texts, r"^.*/", "")

    def _column_bits(self) -> int:
        number = self._column.number
        return 0 if number is None else number + 1 << _COLUMN


def _storage(values: pa.Array) -> pa.Array:
    """An array without what wraps it."""
    while isinstance(values, pa.ExtensionArray | pa.DictionaryArray):
        is_coded = isinstance(values, pa.DictionaryArray)
        values = values.dictionary_decode() if is_coded else values.storage
    return values


def _first_of(reader: Reader) -> Callable[[str], list[Any]]:
    """The first values of a column that are not null; none where it cannot be read."""

    def first(column: str) -> list[Any]:
        try:
            pieces = islice(reader.batches([column], _LOOKED_AT), _FEW)
            values = (value for batch in pieces for value in batch.column(0).to_pylist())
            return list(islice((value for value in values if value is not None), _LOOKED_AT))
        except BROKEN:
            return []

    return first


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


_NONE = pa.RecordBatch.from_arrays([pa.array([], f.type) for f in MEMBERS], schema=MEMBERS)
