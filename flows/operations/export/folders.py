"""Exports that are a folder a kind: links, copies, and the same as others lay them out."""

import csv
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from sortal.flows.operations.export.names import Names, folders_of, safe
from sortal.flows.operations.export.pictures import Pictures, in_reading_order, write_new
from sortal.flows.operations.export.selection import COLUMNS, Selection
from sortal.storage.atomic import atomic_file
from sortal.tasks.errors import ImageError
from sortal.tasks.progress import progress

MANIFEST = "manifest.csv"
_STEP = 500  # files between two reports of progress


@dataclass
class Placed:
    """What became of the files of an export; `failed` are (path, reason)."""

    counts: Counter[str] = field(default_factory=Counter)  # linked, copied, already there, failed
    failed: list[tuple[str, str]] = field(default_factory=list)


def targets(selection: Selection, form: str) -> list[tuple[dict[str, Any], str]]:
    """Each row with its name relative to the export, the same in every export of these rows."""
    rows = selection.rows.to_pylist()
    if form == "fiftyone":  # samples are known by the name without its ending
        names = Names()
        endings = [PurePosixPath(safe(row["path"].rpartition("/")[2])).suffix for row in rows]
        return [
            (row, f"data/{names.of('data', row['key'] + ending)}")
            for row, ending in zip(rows, endings, strict=True)
        ]
    folders = folders_of((id_, name) for id_, name in selection.kinds)
    names = Names()
    found = []
    for row in rows:
        folder = folders[row["cluster_id"]]
        found.append((row, f"{folder}/{names.of(folder, row['path'])}"))
    return found


def export_folders(selection: Selection, to: Path, form: str) -> Placed:
    """Place every picture, then write what describes them; what is there already stays."""
    pictures, placed = Pictures(selection), Placed()
    planned = targets(selection, form)
    for folder in sorted({name.rpartition("/")[0] for _, name in planned}):
        (to / folder).mkdir(parents=True, exist_ok=True)
    linked = form in ("links", "fiftyone")
    rows = [{**row, "target": name} for row, name in planned]
    with progress("exporting", len(rows), unit="images") as advance:
        for number, row in enumerate(in_reading_order(rows), 1):
            how = _place(pictures, row, to / row["target"], linked)
            placed.counts[how if how in _DONE else "failed"] += 1
            if how not in _DONE:
                placed.failed.append((row["path"], how))
            if number % _STEP == 0 or number == len(rows):
                advance((number - 1) % _STEP + 1)
    gone = {path for path, _ in placed.failed}
    good = [row for row in rows if row["path"] not in gone]
    write_manifest(to / MANIFEST, rows, dict(placed.failed))
    _describe(selection, to, form, good)
    return placed


_DONE = ("linked", "copied", "already there")


def _place(pictures: Pictures, row: dict[str, Any], target: Path, linked: bool) -> str:
    """Link or copy one picture; one of _DONE, or the code of why not."""
    original = pictures.file(row) if linked else None
    try:
        if original is not None:
            if not original.is_file():
                return "missing"
            target.symlink_to(original)
            return "linked"
        if os.path.lexists(target):
            return "already there"
        return "copied" if write_new(target, pictures.read(row)) else "already there"
    except FileExistsError:
        return "already there"
    except ImageError as error:
        return error.code.value


def write_manifest(file: Path, rows: list[dict[str, Any]], failed: dict[str, str]) -> None:
    """A line a picture: where it is in the export, all that is known of it, or why it is not."""
    with atomic_file(file) as fresh, fresh.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("file", *COLUMNS, "error_code"))
        for row in rows:
            code = failed.get(row["path"])
            values = (row[name] for name in COLUMNS)
            writer.writerow(("" if code else row["target"], *values, code or ""))


def _describe(selection: Selection, to: Path, form: str, rows: list[dict[str, Any]]) -> None:
    """The file by which another program knows the kinds, where its layout has one."""
    if form == "imagefolder":
        with atomic_file(to / "metadata.jsonl") as fresh, fresh.open("w", encoding="utf-8") as out:
            for row in rows:
                said = {
                    "file_name": row["target"],
                    "kind": row["name"],
                    "kind_id": row["cluster_id"],
                }
                out.write(json.dumps(said | {"key": row["key"]}, ensure_ascii=False) + "\n")
    if form == "fiftyone":
        number = {id_: n for n, (id_, _) in enumerate(selection.kinds)}
        said = {
            "classes": [name for _, name in selection.kinds],
            "labels": {Path(row["target"]).stem: number[row["cluster_id"]] for row in rows},
        }
        with atomic_file(to / "labels.json") as fresh:
            fresh.write_text(json.dumps(said, ensure_ascii=False, indent=1), encoding="utf-8")
