"""The scan: one row for every input of a source, with its key, size, label and what is wrong.

Headers are read and bytes hashed; pixels are decoded once, later, when images are embedded.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.schema import ImagesConfig
from sortal.storage.artifacts import Written
from sortal.storage.hashing import hash_strings, hash_text
from sortal.storage.workspace import Workspace
from sortal.tasks.encoders.vectors import image_table
from sortal.tasks.scan.cache import ScanCache
from sortal.tasks.scan.headers import refresh
from sortal.tasks.scan.listing import list_source
from sortal.tasks.sources.base import Source
from sortal.tasks.sources.registry import open_source
from sortal.tasks.step import step

IMAGES = pa.schema(
    [
        ("path", pa.string()),
        ("key", pa.string()),
        ("label", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("bytes", pa.int64()),
        ("offset", pa.int64()),
        ("status", pa.string()),
        ("error_code", pa.string()),
        ("error", pa.string()),
    ]
)
CONTENT = ("path", "key", "label", "status", "error_code")  # what makes two scans the same


def _state(workspace: Workspace, inputs: "ScanInputs") -> Any:
    """The listing, so that a changed folder is a new scan; of containers the files' size and time.

    A verifying scan always runs, since it does not rely on unchanged sizes and times. What it
    finds changes `ScanCache.revision`, so that later scans do not go back to the old one.
    """
    opened = _open(inputs.source, workspace)
    if inputs.config.verify:
        return uuid.uuid4().hex
    files = [[str(path), *_size_and_time(path)] for path in opened.files()]
    listing = files or list_source(opened).hash()
    return [str(opened.location), listing, _cache(workspace, opened).revision]


def _size_and_time(path: Path) -> tuple[int, int]:
    info = path.stat()
    return info.st_size, info.st_mtime_ns


@dataclass(frozen=True, kw_only=True)
class ScanInputs:
    """Inputs of `scan`."""

    source: str
    config: ImagesConfig


@step("scan", ScanInputs, version=1, state=_state)
def scan(folder: Path, workspace: Workspace, inputs: ScanInputs) -> Written:
    """Write `images.parquet` (columns: IMAGES). Raises UsageError for a source without images.

    The identity is the hash of paths, keys, labels and statuses: a touched file changes nothing.
    """
    table = scan_table(_open(inputs.source, workspace), inputs.config, workspace)
    pq.write_table(table, folder / "images.parquet", compression="zstd")
    return Written(rows=table.num_rows, identity=identity(table), facts=facts(table))


def scan_table(source: Source, config: ImagesConfig, workspace: Workspace) -> pa.Table:
    """The rows of a scan (columns: IMAGES); reads only files that are new or changed."""
    if source.vectors:
        return _vector_rows(source.vectors)
    listing = list_source(source)
    found = refresh(source, config, listing.rows, _cache(workspace, source))
    is_image = pc.is_null(found["error_code"])
    columns = {name: found[name] for name in found.column_names}
    columns["bytes"] = pc.coalesce(found["n_bytes"], listing.rows["bytes"])
    for name in ("path", "offset"):
        columns[name] = listing.rows[name]
    columns["label"] = pa.array(listing.label_column(is_image), pa.string())
    columns["status"] = pc.if_else(is_image, "ok", "failed")
    return pa.table([columns[name] for name in IMAGES.names], schema=IMAGES)


def _open(source: str, workspace: Workspace) -> Source:
    """The source without the workspace, which may lie in it and holds pictures of its own."""
    return open_source(source, without=workspace.root)


def _cache(workspace: Workspace, source: Source) -> ScanCache:
    return ScanCache(workspace.root / "scans" / f"{hash_text(str(source.location))}.parquet")


def _vector_rows(folder: Path) -> pa.Table:
    """The rows of ready-made vectors; the key stands in for a path that is not given."""
    rows = image_table(folder)
    count = rows.num_rows
    columns = {name: pa.nulls(count, IMAGES.field(name).type) for name in IMAGES.names}
    columns |= {"key": rows["key"], "label": rows["label"]}
    columns["path"] = pc.coalesce(rows["path"], rows["key"])
    columns["bytes"] = pa.repeat(pa.scalar(0, pa.int64()), count)
    columns["status"] = pa.repeat("ok", count)
    return pa.table([columns[name] for name in IMAGES.names], schema=IMAGES)


def identity(table: pa.Table) -> str:
    """Hash of the columns CONTENT, row by row."""
    filled = [pc.fill_null(table[name], "") for name in CONTENT]
    lines = pc.binary_join_element_wise(*filled, "\0")
    return hash_strings(_strings(lines))


def _strings(column: pa.ChunkedArray) -> Iterator[str]:
    for chunk in column.chunks:
        yield from chunk.to_pylist()


def facts(table: pa.Table) -> dict[str, Any]:
    """Counts of a scan: n_images (rows), n_ok, n_failed, n_unique, n_labelled, n_classes."""
    good = table.filter(pc.equal(table["status"], "ok"))
    return {
        "n_images": table.num_rows,
        "n_ok": good.num_rows,
        "n_failed": table.num_rows - good.num_rows,
        "n_unique": pc.count_distinct(good["key"]).as_py(),
        "n_labelled": good.num_rows - good["label"].null_count,
        "n_classes": pc.count_distinct(good["label"], mode="only_valid").as_py(),
    }
