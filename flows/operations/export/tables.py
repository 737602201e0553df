"""Exports that are one file: CSV, Parquet, JSON lines, COCO."""

import csv
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
    table = selection.rows.select(COLUMNS)
    to.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(to) as fresh:
        if form == "parquet":
            pq.write_table(table, fresh)
            return
        with fresh.open("w", encoding="utf-8", newline="") as out:
            if form == "coco":
                json.dump(coco(selection), out, ensure_ascii=False)
            else:
                (_csv if form == "csv" else _jsonl)(table, out)


def _csv(table: pa.Table, out: IO[str]) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.column_names)
    for batch in table.to_batches(_ROWS):
        writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _jsonl(table: pa.Table, out: IO[str]) -> None:
    for batch in table.to_batches(_ROWS):
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
