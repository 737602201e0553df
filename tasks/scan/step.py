"""The scan: one row for every input of a source, with its key, size, label and what is wrong.

Headers are read and bytes hashed; pixels are decoded once, later, when images are embedded.
"""

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.schema import ImagesConfig
from sortal.storage.artifacts import Artifact, Written, publish
from sortal.storage.hashing import fingerprint, hash_strings, hash_text
from sortal.storage.workspace import Workspace
from sortal.tasks.encoders.vectors import image_table
from sortal.tasks.labels.find import settle
from sortal.tasks.pictures.extra import READING, installed
from sortal.tasks.scan.cache import PICTURE, ScanCache
from sortal.tasks.scan.headers import refresh
from sortal.tasks.scan.listing import labelled, list_source, rules_of
from sortal.tasks.scan.seen import seen_of
from sortal.tasks.shown import shown
from sortal.tasks.sources.base import Source
from sortal.tasks.sources.registry import open_source
from sortal.tasks.step import step

log = logging.getLogger("sortal")

IMAGES = pa.schema(
    [
        pa.field("path", pa.string()),
        pa.field("key", pa.string()),
        pa.field("label", pa.string()),
        pa.field("split", pa.string()),
        *PICTURE,
        pa.field("bytes", pa.int64()),
        pa.field("offset", pa.int64()),
        pa.field("status", pa.string()),
        pa.field("error_code", pa.string()),
        pa.field("error", pa.string()),
    ]
)
_REASONS = 3  # that are told where nothing can be read
_SOME = 1 << 16  # rows whose texts are in memory at once
CONTENT = ("path", "key", "label", "status", "error_code")  # what makes two scans the same


def _state(workspace: Workspace, inputs: "ScanInputs") -> Any:
    """The listing, so that a changed folder is a new scan; of containers the files' size and time.

    A verifying scan always runs, since it does not rely on unchanged sizes and times. What it
    finds changes `ScanCache.revision`, so that later scans do not go back to the old one.
    """
    opened = _open(inputs, workspace)
    if inputs.config.verify:
        return uuid.uuid4().hex
    state = opened.state(rules_of(inputs.config))
    config = inputs.config
    found = [_cache(workspace, opened).revision, installed(), IMAGES.names]
    asked = [config.column, config.label_column, config.exclude, config.include]
    return [opened.location, state, *found, asked]


@dataclass(frozen=True, kw_only=True)
class ScanInputs:
    """Inputs of `scan`."""

    source: str
    config: ImagesConfig


@step("scan", ScanInputs, version=2, state=_state)
def scan(folder: Path, workspace: Workspace, inputs: ScanInputs) -> Written:
    """Write `images.parquet` (columns: IMAGES). Raises UsageError for a source without images.

    The identity is the hash of paths, keys, labels and statuses: a touched file changes nothing.
    """
    table, seen = scan_table(_open(inputs, workspace), inputs.config, workspace)
    pq.write_table(table, folder / "images.parquet", compression="zstd")
    found = facts(table) | seen
    return Written(rows=table.num_rows, identity=identity(table), facts=found)


def scan_outside(aside: Workspace, workspace: Workspace, inputs: ScanInputs) -> Artifact:
    """The scan that a run in `workspace` would make, made `aside`."""

    def body(folder: Path) -> Written:
        table, seen = scan_table(_open(inputs, workspace), inputs.config, aside)
        pq.write_table(table, folder / "images.parquet")
        return Written(rows=table.num_rows, facts=facts(table) | seen)

    return publish(aside, "scan", "outside", body)


def warn_of(scan: Artifact) -> None:
    """Log what a scan saw, and what it could not use, such as a label table; kept ones as well."""
    if line := seen_of(scan.facts):
        log.info("%s", line)
    for text in scan.facts.get("warnings", ()):
        log.warning("%s", text)


def scan_table(
    source: Source, config: ImagesConfig, workspace: Workspace
) -> tuple[pa.Table, dict[str, Any]]:
    """The rows of a scan (columns: IMAGES), reading only what is new or changed.

    And what else there is to say: `n_files` that were seen, of which `others` counts by kind those
    that are no row, and `warnings`.
    """
    if source.vectors:
        return _vector_rows(source.vectors, config.label_column), {}
    listing = list_source(source, config)
    rows, labels = labelled(listing, source, config.label_column)
    n_files = listing.n_files + rows.num_rows - listing.rows.num_rows  # tables name some more
    found = refresh(source, config, rows, _cache(workspace, source))
    is_image = pc.is_null(found["error_code"])
    columns = {name: found[name] for name in found.column_names}
    columns["bytes"] = pc.coalesce(found["n_bytes"], rows["bytes"])
    for name in ("path", "offset"):
        columns[name] = rows[name]
    columns["label"] = settle(labels, is_image.combine_chunks())
    columns["split"] = labels.split
    columns["status"] = pc.if_else(is_image, "ok", "failed")
    _write_zero_bytes(columns)
    table = pa.table([columns[name] for name in IMAGES.names], schema=IMAGES)
    warnings = [shown(text) for text in (*labels.warnings, *listing.warnings)]
    others = dict(sorted(listing.others.items()))
    seen = {"n_files": n_files, "others": others}
    return table, seen | ({"warnings": warnings} if warnings else {})


def _open(inputs: ScanInputs, workspace: Workspace) -> Source:
    """The source without the workspace, which may lie in it and holds pictures of its own."""
    return open_source(inputs.source, workspace.root, inputs.config)


def _cache(workspace: Workspace, source: Source) -> ScanCache:
    return ScanCache(workspace.root / "scans" / f"{hash_text(str(source.location))}.parquet")


def _vector_rows(folder: Path, label_column: str | None) -> pa.Table:
    """The rows of ready-made vectors; the key stands in for a path that is not given."""
    rows = image_table(folder, label_column)
    count = rows.num_rows
    columns = {name: pa.nulls(count, IMAGES.field(name).type) for name in IMAGES.names}
    columns |= {"key": rows["key"], "label": rows["label"]}
    columns["path"] = pc.coalesce(rows["path"], rows["key"])
    columns["bytes"] = pa.repeat(pa.scalar(0, pa.int64()), count)
    columns["status"] = pa.repeat("ok", count)
    _write_zero_bytes(columns)
    return pa.table([columns[name] for name in IMAGES.names], schema=IMAGES)


def _write_zero_bytes(columns: dict[str, pa.Array]) -> None:
    r"""Write them as \x00: the lake cannot keep a text with a zero byte."""
    for name in ("path", "label", "split"):
        columns[name] = pc.replace_substring(columns[name], "\0", "\\x00")


def identity(table: pa.Table) -> str:
    """Hash of the columns CONTENT, and of splits where there are some, row by row.

    For images that were read also of what was read from their bytes.
    """
    splits = [] if table["split"].null_count == table.num_rows else ["split"]
    rows = hash_strings(_lines(table.select([*CONTENT, *splits])))
    return fingerprint(READING, rows) if table["format"].null_count < table.num_rows else rows


def _lines(table: pa.Table) -> Iterator[str]:
    """The columns of each row in one text, made for some rows at a time."""
    for start in range(0, table.num_rows, _SOME):
        filled = [pc.fill_null(column, "") for column in table.slice(start, _SOME).columns]
        yield from pc.binary_join_element_wise(*filled, "\0").to_pylist()


def facts(table: pa.Table) -> dict[str, Any]:
    """Counts of a scan: n_images (rows), n_ok, n_failed, n_unique, n_labelled, n_classes.

    Where there are splits also n_splits; where nothing can be read, `why` in words.
    """
    good = table.select(["key", "label"]).filter(pc.equal(table["status"], "ok"))
    n_splits = pc.count_distinct(table["split"], mode="only_valid").as_py()
    return {
        "n_images": table.num_rows,
        "n_ok": good.num_rows,
        "n_failed": table.num_rows - good.num_rows,
        "n_unique": pc.count_distinct(good["key"]).as_py(),
        "n_labelled": good.num_rows - good["label"].null_count,
        "n_classes": pc.count_distinct(good["label"], mode="only_valid").as_py(),
        **({"n_splits": n_splits} if n_splits else {}),
        **({"why": _why(table)} if table.num_rows and not good.num_rows else {}),
    }


def _why(table: pa.Table) -> str:
    """Why no input is an image, the commonest reasons first, each with an example."""
    counts = pc.value_counts(table["error_code"]).to_pylist()
    said = []
    for each in sorted(counts, key=lambda each: -each["counts"])[:_REASONS]:
        row = table.filter(pc.equal(table["error_code"], each["values"])).slice(0, 1).to_pylist()[0]
        said.append(f"{each['counts']:,} {each['values']} ({shown(row['path'])}: {row['error']})")
    return ", ".join(said)
