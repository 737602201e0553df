"""The listing of a source as a table: what there is and how it is labelled, before any is read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sortal.configs.errors import UsageError
from sortal.storage.hashing import fingerprint, hash_bytes
from sortal.tasks.sources.base import Entry, Labels, Source
from sortal.tasks.sources.metadata import folder_labels

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


@dataclass(frozen=True)
class Listing:
    """The inputs of a source (columns: LISTING), and what gives their labels."""

    rows: pa.Table
    labels: Labels

    def hash(self) -> str:
        """Changes when a name, size, time, permission or label does."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, LISTING) as writer:
            writer.write_table(self.rows.combine_chunks())
        return fingerprint(hash_bytes(sink.getvalue()), self.labels.by_path)

    def label_column(self, is_image: pa.ChunkedArray) -> list[str | None]:
        """One label a row: see `Labels`, and for classes by folder `folder_labels`."""
        paths = self.rows.column("path").to_pylist()
        by_path = self.labels.by_path or {}
        if any(label is not None for label in by_path.values()):
            return [by_path.get(path) for path in paths]
        if self.labels.root is None:
            return [None] * len(paths)
        return folder_labels(paths, is_image.to_pylist(), self.labels.root)


def list_source(source: Source) -> Listing:
    """List `source` and find its labels; raises UsageError when it holds no image."""
    metadata: list[Entry] = []
    rows = table_of(_images(source.entries(), metadata))
    if source.files():
        rows = _last_of_each(rows)
    labels = source.labels(_paths(rows), metadata)
    if labels.adds_inputs and labels.by_path:
        listed = set(_paths(rows))
        added = (source.entry(path) for path in labels.by_path if path not in listed)
        rows = pa.concat_tables([rows, table_of(added)])
    if not rows.num_rows:
        rule = f"a source must hold images, got none in {str(source.location)!r}"
        raise UsageError(f"{rule}; give a folder or tar file with .jpg, .png, .webp, ... files")
    return Listing(rows, labels)


def _images(entries: Iterable[Entry], metadata: list[Entry]) -> Iterator[Entry]:
    """The entries of images; the others are added to `metadata`."""
    for entry in entries:
        if entry.is_metadata:
            metadata.append(entry)
        else:
            yield entry


def _paths(rows: pa.Table) -> Iterator[str]:
    for chunk in rows.column("path").chunks:
        yield from chunk.to_pylist()


def table_of(entries: Iterable[Entry]) -> pa.Table:
    """Entries as a table with the columns LISTING."""
    pieces = [
        pa.table(dict(zip(LISTING.names, columns, strict=False)), schema=LISTING)
        for columns in (zip(*piece, strict=True) for piece in chunks(entries, CHUNK))
    ]
    return pa.concat_tables(pieces) if pieces else LISTING.empty_table()


def chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Consecutive lists of at most `size` items."""
    iterator = iter(items)
    while piece := list(islice(iterator, size)):
        yield piece


def _last_of_each(rows: pa.Table) -> pa.Table:
    """The last row of each path."""
    paths = rows.column("path")
    if pc.count_distinct(paths).as_py() == rows.num_rows:
        return rows
    last = {path: i for i, path in enumerate(paths.to_pylist())}
    return rows.take(sorted(last.values()))
