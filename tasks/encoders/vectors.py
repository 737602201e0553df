"""Ready-made vectors: `vectors:DIR` reads Parquet files instead of running a model.

DIR holds `*images*.parquet` (key, vector, optional label and path) and text files
`*nouns*.parquet`, `*captions*.parquet`, `*texts*.parquet` (text, vector); see docs/vectors.md.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.encoder import EncoderSpec
from sortal.configs.errors import UsageError, counted
from sortal.storage.hashing import fingerprint
from sortal.storage.rows import FloatArray
from sortal.tasks.encoders.base import PLAIN, EncoderInfo
from sortal.tasks.encoders.files import content_hash
from sortal.tasks.encoders.vector_files import (
    ROLES,
    TEXT_ROLES,
    columns_of,
    files_of,
    named_rows,
    need,
    opened,
)
from sortal.tasks.labels.formats.values import text_array, trimmed

_BATCH = 8192
_TEXT = pa.string()
_CHUNK = 128  # rows whose float64 values stay in a core's cache


def describe(spec: str) -> EncoderInfo:
    """What is known of `vectors:DIR`; raises UsageError where the folder cannot be used."""
    folder = EncoderSpec.parse(spec).where
    if folder is None:
        raise UsageError(f"vectors:DIR must name a folder, got {spec!r}")
    return EncoderInfo(spec, fingerprint_of(folder), dim_of(folder), PLAIN, "ready-made vectors")


def image_table(folder: Path, label_column: str | None = None) -> pa.Table:
    """All image rows as strings key, label and path, the last two null where not given.

    The labels are those of `label_column`, or of `label` where there is such. Raises UsageError for
    a key that is there twice, or is none (`named_rows`), and for a column that is not there.
    """
    files = need(folder, "images")
    table = pa.concat_tables([_image_columns(path, label_column) for path in files])
    if pc.count_distinct(table["key"]).as_py() < table.num_rows:
        row_of: dict[str, int] = {}
        for row, key in enumerate(table["key"].to_pylist()):
            if row_of.setdefault(key, row) != row:
                raise UsageError(
                    f"every image of {folder} must have a key of its own, got {key!r} in the rows "
                    f"{row_of[key]} and {row}; give each vector its own key, or leave one out"
                )
    return table


def _image_columns(path: Path, label_column: str | None) -> pa.Table:
    names = columns_of(path, "key", "vector", *([label_column] if label_column else []))
    places = {"label": label_column or "label", "path": "path"}
    read = sorted({"key", *places.values()}.intersection(names))
    table = pq.read_table(path, columns=read)
    told = {
        name: trimmed(text_array(table[place])) if place in names else pa.nulls(len(table), _TEXT)
        for name, place in places.items()
    }
    return pa.table({"key": named_rows(table["key"], "key", path), **told})


def column_of(folder: Path, column: str) -> dict[str, str | None]:
    """Key -> text of a further column of the image files."""
    found: dict[str, str | None] = {}
    for path in need(folder, "images"):
        columns_of(path, "key", column)
        table = pq.read_table(path, columns=["key", column])
        keys = named_rows(table["key"], "key", path).to_pylist()
        found = dict(zip(keys, text_array(table[column]).to_pylist(), strict=True)) | found
    return found


def texts(folder: Path, corpus: str) -> list[str]:
    """The texts of a corpus ("nouns" or "captions"), each once, in file order."""
    found: dict[str, None] = {}
    for path in need(folder, corpus):
        found.update(dict.fromkeys(_texts_of(path)))
    return list(found)


def held(folder: Path) -> set[str]:
    """Every text that has a vector."""
    return {text for path in files_of(folder, *TEXT_ROLES) for text in _texts_of(path)}


def _texts_of(path: Path) -> list[str]:
    columns_of(path, "text", "vector")
    return named_rows(pq.read_table(path, columns=["text"])["text"], "text", path).to_pylist()


def image_blocks(folder: Path) -> Iterator[tuple[list[str], FloatArray]]:
    """(keys, unit vectors of shape (b, dim)) over the image files, a block at a time."""
    dim = dim_of(folder)
    for path in need(folder, "images"):
        yield from file_blocks(path, "key", dim)


def file_blocks(path: Path, name: str, dim: int) -> Iterator[tuple[list[str], FloatArray]]:
    """(values of the column `name`, unit vectors (b, dim)) of a file, a block at a time."""
    columns_of(path, name, "vector")
    start = 0
    for batch in opened(path).iter_batches(_BATCH, columns=[name, "vector"], use_threads=False):
        names = named_rows(batch.column(name), name, path, start).to_pylist()
        yield names, unit_vectors(batch.column("vector"), dim, path, start, names)
        start += batch.num_rows


def key_column(path: Path) -> str:
    """The column of a file by which vectors are known: key or file_name; raises UsageError."""
    names = columns_of(path)
    found = next((name for name in ("key", "file_name") if name in names), None)
    if found is None:
        raise UsageError(f"{path} must have a column key or file_name, it has {', '.join(names)}")
    return found


def unit_vectors(
    column: pa.Array, dim: int, path: Path, start: int = 0, names: Sequence[str] = ()
) -> FloatArray:
    """A list column of numbers of any scale as unit rows of shape (n, dim), float32.

    Raises UsageError naming the row, and its key or text where `names` are given, for a null, a
    wrong length, NaN, infinity or a zero vector.
    """
    _check_lengths(column, dim, path, start)
    flat = column.flatten().to_numpy(zero_copy_only=False)
    vectors = flat.reshape(len(column), dim)
    out = np.empty(vectors.shape, dtype=np.float32)
    for first in range(0, len(vectors), _CHUNK):
        rows = vectors[first : first + _CHUNK].astype(np.float64)
        peaks = np.abs(rows).max(axis=1, initial=0.0)
        bad = np.flatnonzero(~np.isfinite(peaks) | (peaks == 0))
        if len(bad):
            row, what = first + bad[0], "a zero vector" if peaks[bad[0]] == 0 else "NaN or infinity"
            whose = f" ({names[row]!r})" if names else ""
            raise UsageError(
                f"{path}: vectors must be finite and not zero, row {start + row}{whose} is {what};"
                " leave such rows out"
            )
        rows /= peaks[:, None]  # so that no square is too large or too small
        out[first : first + _CHUNK] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return out


def _check_lengths(column: pa.Array, dim: int, path: Path, start: int) -> None:
    if column.null_count:
        raise UsageError(f"{path}: vector must not be null; leave such rows out")
    fixed = isinstance(column.type, pa.FixedSizeListType)
    lengths = (
        np.full(len(column), column.type.list_size)
        if fixed
        else column.value_lengths().to_numpy(zero_copy_only=False)
    )
    bad = np.flatnonzero(lengths != dim)
    if len(bad):
        raise UsageError(
            f"{path}: all vectors in the folder must have one length; row {start + bad[0]} has"
            f" {lengths[bad[0]]}, others have {dim}"
        )


def dim_of(folder: Path) -> int:
    """Length of the vectors, from the folder's first non-empty file. Reads one row at most."""
    return length_of(need(folder, *ROLES))


def length_of(files: Sequence[Path]) -> int:
    """Length of the vectors of the first file that is not empty. Reads one row at most."""
    for path in files:
        file = opened(path)
        columns_of(path, "vector")
        kind = file.schema_arrow.field("vector").type
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or _is_fixed(kind)):
            raise UsageError(f"{path}: vector must be a list of numbers, got {kind}")
        if not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
            raise UsageError(f"{path}: vector must be a list of numbers, got {kind}")
        if _is_fixed(kind):
            return int(kind.list_size)
        for batch in file.iter_batches(1, columns=["vector"]):
            return len(batch.column("vector")[0])
    raise UsageError(f"{files[0].parent} must hold vectors, got only empty files")


def _is_fixed(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.FixedSizeListType)


def fingerprint_of(folder: Path) -> str:
    """Hash of the files' names and bytes."""
    files = need(folder, *ROLES)
    return fingerprint("vectors", [(path.name, content_hash(path)) for path in files])


def look_up(folder: Path, wanted: Sequence[str]) -> FloatArray:
    """Unit vectors of shape (len(wanted), dim) of the texts, from the first row of each.

    A file that has none of them is not read. Raises UsageError when a text has no vector.
    """
    place = {text: row for row, text in enumerate(dict.fromkeys(wanted))}
    dim = dim_of(folder)
    found = np.zeros((len(place), dim), dtype=np.float32)
    seen: set[str] = set()
    for path in need(folder, *TEXT_ROLES):
        if (place.keys() - seen).isdisjoint(_texts_of(path)):
            continue
        for block, vectors in file_blocks(path, "text", dim):
            for text, vector in zip(block, vectors, strict=True):
                if text in place and text not in seen:
                    seen.add(text)
                    found[place[text]] = vector
    lacking = next((text for text in place if text not in seen), None)
    if lacking is not None:
        raise UsageError(
            f"vectors:{folder} must hold a vector for every text that a run reads, got "
            f"{counted(len(place) - len(seen), 'text')} without one, first {lacking!r}; add it to "
            "a file *texts*.parquet there, or leave nouns.source and captions.source at vectors"
        )
    return found[[place[text] for text in wanted]]
