"""Exports that are one file: CSV, Parquet, JSON lines, COCO."""

import csv
import io
import json
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from sortal.flows.operations.export.selection import COLUMNS, Selection
from sortal.storage.atomic import atomic_file

_ROWS = 10_000  # held as Python objects at a time


def export_table(selection: Selection, to: Path, form: str) -> None:
    """Write the file `to`, whole or not at all."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(to) as fresh, fresh.open("wb") as out:
        if form == "coco":
            out.write(json.dumps(coco(selection), ensure_ascii=False).encode())
        else:
            table = selection.rows.select(COLUMNS)
            write_rows(table.to_reader(_ROWS), form, out)


def write_rows(rows: pa.RecordBatchReader, form: str, out: IO[bytes]) -> None:
    """Write rows as csv, jsonl or parquet, a batch at a time; `out` stays open."""
    if form == "parquet":
        with pq.ParquetWriter(out, rows.schema) as writer:
            for batch in rows:
                writer.write_batch(batch)
        return
    text = io.TextIOWrapper(out, encoding="utf-8", newline="")
    (_csv if form == "csv" else _jsonl)(rows, text)
    text.detach()


def _csv(rows: pa.RecordBatchReader, out: IO[str]) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rows.schema.names)
    for batch in rows:
        writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _jsonl(rows: pa.RecordBatchReader, out: IO[str]) -> None:
    for batch in rows:
        for row in batch.to_pylist():
            out.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def coco(selection: Selection) -> dict[str, Any]:
    """COCO's layout: a category a kind, an annotation an image, whose box is the whole image."""
    images, annotations = [], []
    for number, row in enumerate(selection.rows.to_pylist(), 1):
        width, height = row["width"] or 0, row["height"] or 0
        images.append(
            {"id": number, "file_name": row["path"], "width": width, "height": height,
             "coco_url": row["uri"] or "", "sortal_key": row["key"]}
        )  # fmt: skip
        annotations.append(
            {"id": number, "image_id": number, "category_id": row["cluster_id"],
             "bbox": [0, 0, width, height], "area": width * height, "iscrowd": 0}
        )  # fmt: skip
    row = selection.run.row
    return {
        "info": {"description": f"{row['collection']}, run {row['run_id']}", "version": "1.0"},
        "licenses": [],
        "categories": [
            {"id": id_, "name": name, "supercategory": ""} for id_, name in selection.kinds
        ],
        "images": images,
        "annotations": annotations,
    }
