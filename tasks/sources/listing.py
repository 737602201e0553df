"""The listing of a source as a table: what there is and how it is labelled, before any is read."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sortal.configs.errors import UsageError
from sortal.storage.hashing import fingerprint, hash_bytes
from sortal.tasks.sources.base import METADATA, Entry, ImageSource
from sortal.tasks.sources.decode import Code, ImageError
from sortal.tasks.sources.metadata import (
    common_folder,
    folder_labels,
    metadata_of,
    read_column,
    read_metadata,
)
from sortal.tasks.sources.parquet import ParquetSource
from sortal.tasks.sources.sidecars import column_beside, labels_beside
from sortal.tasks.sources.tar import TarSource
from sortal.tasks.sources.tar_folder import TarFolder

CHUNK = 65_536  # rows held as Python objects at a time
LISTING = pa.schema(
    [
        ("path", pa.string()),
        ("bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("offset", pa.int64()),
        ("mode", pa.int32()),
        ("error_code", pa.string()),
        ("error", pa.string()),
    ]
)
log = logging.getLogger("sortal")

_METADATA = r"(^|/)metadata\.(csv|jsonl|parquet)$"


@dataclass(frozen=True)
class Listing:
    """The inputs of a source (columns: LISTING).

    `labels` are by path, where a metadata file, a column or members beside the images name them;
    `root` is the top folder of a tar, which is no class. With `packed` no folder is one.
    """

    rows: pa.Table
    labels: dict[str, str | None] | None
    root: str
    packed: bool = False

    def hash(self) -> str:
        """Changes when a name, size, time, permission or label does."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, LISTING) as writer:
            writer.write_table(self.rows.combine_chunks())
        return fingerprint(hash_bytes(sink.getvalue()), self.labels)

    def label_column(self, is_image: pa.ChunkedArray) -> list[str | None]:
        """One label a row: from the metadata, else from class folders (see `folder_labels`)."""
        paths = self.rows.column("path").to_pylist()
        if self.labels and any(label is not None for label in self.labels.values()):
            return [self.labels.get(path) for path in paths]
        if self.packed:
            return [None] * len(paths)
        return folder_labels(paths, is_image.to_pylist(), self.root)


def list_source(source: ImageSource) -> Listing:
    """List `source` and read its metadata file; raises UsageError when it holds no image."""
    if isinstance(source, ParquetSource):
        return Listing(_some(table_of(source.entries()), source), source.labels(), "", packed=True)
    if isinstance(source, TarFolder):
        rows = _last_of_each(_listed(source)[0])
        return Listing(_some(rows, source), labels_beside(source), "", packed=True)
    rows, names, root = _listed(source)
    metadata = _metadata(source, names, root)
    labels = read_metadata(*metadata, root) if metadata else None
    if labels:
        rows = pa.concat_tables([rows, _unlisted(source, labels, rows)])
    elif metadata is None and isinstance(source, TarSource):
        labels = labels_beside(source)
    return Listing(_some(rows, source), labels, root)


def _some(rows: pa.Table, source: ImageSource) -> pa.Table:
    if not rows.num_rows:
        rule = f"a source must hold images, got none in {str(source.location)!r}"
        raise UsageError(f"{rule}; give a folder or tar file with .jpg, .png, .webp, ... files")
    return rows


def metadata_column(source: ImageSource, column: str) -> dict[str, str | None]:
    """Path -> text of a column of the source's metadata file; raises UsageError without one.

    Images in Parquet files have theirs beside them, and those in tar files may (`sidecars.py`).
    """
    if isinstance(source, ParquetSource):
        return source.column(column)
    if isinstance(source, TarFolder):
        return column_beside(source, column)
    names, root = _metadata_files(source)
    metadata = _metadata(source, names, root)
    if metadata is None and isinstance(source, TarSource):
        return column_beside(source, column)
    if metadata is None:
        raise UsageError(
            f"a view of the column {column!r} needs a metadata file at the top of "
            f"{str(source.location)!r}, got none; add metadata.csv with file_name and {column}"
        )
    return dict(read_column(*metadata, column, root))


def _metadata_files(source: ImageSource) -> tuple[pa.Table, str]:
    """Metadata files, and the top folder of a tar; a folder is not listed for them."""
    if isinstance(source, TarSource):
        return _listed(source)[1:]
    entries = (source.entry(name) for name in METADATA)
    absent = (Code.MISSING.value, Code.NOT_A_FILE.value)
    return table_of(entry for entry in entries if entry.error_code not in absent), ""


def _listed(source: ImageSource) -> tuple[pa.Table, pa.Table, str]:
    """Inputs, metadata files (columns: LISTING), and the top folder of a tar."""
    rows = table_of(source.entries())
    is_metadata = pc.match_substring_regex(rows.column("path"), _METADATA)
    names, rows, root = rows.filter(is_metadata), rows.filter(pc.invert(is_metadata)), ""
    if isinstance(source, TarSource):
        rows = _last_of_each(rows)
        root = common_folder(rows.column("path").to_pylist())
    return rows, names, root


def table_of(entries: Iterable[Entry]) -> pa.Table:
    """Entries as a table with the columns LISTING."""
    pieces = [
        pa.table(dict(zip(LISTING.names, columns, strict=True)), schema=LISTING)
        for columns in (zip(*piece, strict=True) for piece in chunks(entries, CHUNK))
    ]
    return pa.concat_tables(pieces) if pieces else LISTING.empty_table()


def chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Consecutive lists of at most `size` items."""
    iterator = iter(items)
    while piece := list(islice(iterator, size)):
        yield piece


def _last_of_each(rows: pa.Table) -> pa.Table:
    """A tar may hold a name twice; the later member is the one that counts."""
    paths = rows.column("path")
    if pc.count_distinct(paths).as_py() == rows.num_rows:
        return rows
    last = {path: i for i, path in enumerate(paths.to_pylist())}
    return rows.take(sorted(last.values()))


def _metadata(source: ImageSource, names: pa.Table, root: str) -> tuple[str, bytes] | None:
    """Name and bytes of the metadata file that counts."""
    found = names.column("path").to_pylist()
    name = metadata_of(found, root)
    for other in found:
        if other != name:
            log.warning("%s is passed over: only metadata at the top of a source counts", other)
    if name is None:
        return None
    entry = names.filter(pc.equal(names.column("path"), name)).to_pylist()[-1]
    try:
        if entry["error_code"]:
            raise ImageError(entry["error_code"], entry["error"])
        data = source.read(name, entry["offset"], entry["bytes"])
    except ImageError as error:
        raise UsageError(f"{name} cannot be read ({error.message}); mend or remove it") from error
    return name, data


def _unlisted(source: ImageSource, labels: dict[str, str | None], rows: pa.Table) -> pa.Table:
    """What the metadata names and the listing lacks: no image's extension, or not there."""
    listed = set(rows.column("path").to_pylist())
    return table_of(source.entry(path) for path in labels if path not in listed)
