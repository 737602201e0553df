"""Vectors straight from the pages of a Parquet file.

Arrow decodes a column of lists value by value, at ten times the cost of its bytes. Files that are
written here are not compressed, have no dictionary and lack no value, so a page holds its vectors
as they are in memory, behind two short lists of levels. Any other file is left to Arrow.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray

_MASK = np.int32(-0x70002000)  # the sign, and 15 bits of exponent and mantissa 13 places up
_SCALE = np.float32(2.0**112)  # from the exponents of float16 to those of float32
_CHUNK = 1 << 16  # values that stay in a core's cache
_PLAIN, _DATA_PAGE = 0, 0


def widened(halves: NDArray[Any]) -> FloatArray:
    """float16 values, given as such or as int16 of the same bits, as float32; every one exactly.

    numpy's own conversion takes five times as long.
    """
    bits = halves.view("<i2").ravel()
    out = np.empty(len(bits), dtype=np.float32)
    for start in range(0, len(bits), _CHUNK):
        _widen(bits[start : start + _CHUNK], out[start : start + _CHUNK])
    return out.reshape(halves.shape)


def _widen(bits: NDArray[np.int16], out: FloatArray) -> None:
    words = out.view(np.int32)
    np.copyto(words, bits)
    np.left_shift(words, 13, out=words)
    np.bitwise_and(words, _MASK, out=words)
    np.multiply(out, _SCALE, out=out)
    if out.max() >= 65536 or out.min() <= -65536:  # the exponent of infinity and NaN
        np.copyto(out, bits.view("<f2"))


def vector_groups(
    path: Path, size: int, first: int = 0, last: int | None = None
) -> Iterator[tuple[int, FloatArray]]:
    """(first row, vectors (b, dim)) of a file's column `vector`, in order, from the file's start.

    A block is a group of rows, or `size` rows where Arrow must read it. Groups without a row from
    `first` up to `last` are left out.
    """
    file = pq.ParquetFile(path, pre_buffer=False)  # else Arrow holds all that was read
    column = file.schema_arrow.get_field_index("vector")
    dim = file.schema_arrow.field("vector").type.list_size
    place = _plain_column(file)
    start = 0
    with path.open("rb") as raw:
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            stop = start + group.num_rows
            if stop > first and (last is None or start < last):
                found = place is not None and _group(raw, group.column(place), group.num_rows * dim)
                if isinstance(found, np.ndarray) and group.num_rows <= size:
                    yield start, found.reshape(-1, dim)
                else:
                    yield from _by_arrow(file, number, start, size, column)
            start = stop


def _by_arrow(
    file: pq.ParquetFile, group: int, start: int, size: int, column: int
) -> Iterator[tuple[int, FloatArray]]:
    names = [file.schema_arrow.names[column]]
    for batch in file.iter_batches(size, row_groups=[group], columns=names, use_threads=False):
        yield start, list_values(batch.column(0))
        start += batch.num_rows


def list_values(column: pa.Array) -> FloatArray:
    """A column of lists of one length as a float32 array of shape (n_rows, dim)."""
    flat = column.flatten().to_numpy(zero_copy_only=False)
    wide = widened(flat) if flat.dtype == np.float16 else flat.astype(np.float32)
    return wide.reshape(len(column), -1)


def _plain_column(file: pq.ParquetFile) -> int | None:
    """The number of the column of float16 values of `vector`; None where there is no such."""
    for number in range(len(file.schema.names)):
        column = file.schema.column(number)
        if column.path == "vector.list.element":
            half = column.physical_type == "FIXED_LEN_BYTE_ARRAY" and column.length == 2
            return number if half and column.max_repetition_level == 1 else None
    return None


def _group(raw: BinaryIO, column: pq.ColumnChunkMetaData, count: int) -> FloatArray | None:
    """The `count` values of a column in a group of rows; None where they do not lie plainly."""
    plain = column.compression == "UNCOMPRESSED" and set(column.encodings) <= {"PLAIN", "RLE"}
    if not plain or column.num_values != count:
        return None
    raw.seek(column.data_page_offset)
    data = raw.read(column.total_compressed_size)
    out, done, at = np.empty(count, dtype=np.float32), 0, 0
    try:
        while done < count:
            header, at = _struct(data, at)
            values = _page(data, at, header)
            at += header[3]
            if not len(values):
                return None
            out[done : done + len(values)] = widened(values)
            done += len(values)
    except (KeyError, IndexError, ValueError):
        return None
    return out


def _page(data: bytes, at: int, header: dict[int, Any]) -> NDArray[np.int16]:
    """The values of a page as int16; raises ValueError where some lack, or are written otherwise.

    Two lists of levels come first, each with its length in bytes before it.
    """
    n_values, encoding = header[5][1], header[5][2]
    first = at
    for _ in range(2):
        first += 4 + int.from_bytes(data[first : first + 4], "little")
    plain = header[1] == _DATA_PAGE and encoding == _PLAIN
    if not plain or header[2] != header[3] or at + header[3] - first != 2 * n_values:
        raise ValueError("not a plain page")
    return np.frombuffer(data, "<i2", n_values, first)


def _struct(data: bytes, at: int) -> tuple[dict[int, Any], int]:
    """A struct of Thrift's compact protocol, as page headers are written, by number of field."""
    found: dict[int, Any] = {}
    number = 0
    while kind := data[at] & 15:
        step, at = data[at] >> 4, at + 1
        if step:
            number += step
        else:
            number, at = _integer(data, at)
        if kind in (1, 2):
            found[number] = kind == 1
        elif kind in (4, 5, 6):
            found[number], at = _integer(data, at)
        elif kind == 8:
            length, at = _varint(data, at)
            at += length
        elif kind == 12:
            found[number], at = _struct(data, at)
        else:
            raise ValueError("not what a page header holds")
    return found, at + 1


def _integer(data: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] & 128:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
    return value | data[at] << shift, at + 1
