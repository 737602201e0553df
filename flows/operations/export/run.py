"""An export: checked before any work, never over what is there, and gone on with after a kill."""

import errno
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sortal.configs.errors import RunError, UsageError, expanded
from sortal.configs.remote import is_remote
from sortal.flows.operations.export.folders import Placed, export_folders
from sortal.flows.operations.export.pictures import Pictures
from sortal.flows.operations.export.selection import LATEST, Selection, select
from sortal.flows.operations.export.shards import export_shards
from sortal.flows.operations.export.tables import export_table
from sortal.storage.atomic import write_json
from sortal.storage.hashing import fingerprint, hash_strings

FOLDERS = ("links", "copies", "imagefolder", "fiftyone")
SHARDS = ("webdataset", "hf")
FILES = ("csv", "parquet", "jsonl", "coco")
FORMS = ("links", "copies", "csv", "parquet", "jsonl", "imagefolder", "webdataset", "hf", "coco",
         "fiftyone")  # fmt: skip
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_MARK = ".sortal-export.json"  # by which an export that was stopped is known


@dataclass(frozen=True)
class Request:
    """What is asked of `sortal export`."""

    workspace: Path
    to: Path
    form: str = "links"
    run: str = LATEST
    kinds: Sequence[str] = ()
    where: str | None = None
    dry_run: bool = False


class Exported(NamedTuple):
    """What an export came to. `resumed`: it had been begun before."""

    selection: Selection
    placed: Placed
    to: Path
    resumed: bool


def export(request: Request) -> Exported:
    """Export images of a run; raises UsageError, before any work, for what cannot be.

    With `dry_run` nothing is written, and `placed` counts what would be linked and copied.
    """
    if request.form not in FORMS:
        raise UsageError(f"--as must be one of {', '.join(FORMS)}, got {request.form!r}")
    to = expanded(request.to).absolute()
    selection = select(request.workspace, request.run, request.kinds, request.where)
    with _clear_errors_of(to):
        _check_apart(to, selection)
        resumed = _check(to, request.form, _mark_of(selection, request.form))
        if request.dry_run:
            return Exported(selection, _planned(selection, request.form), to, resumed)
        return Exported(selection, _write(selection, to, request.form), to, resumed)


@contextmanager
def _clear_errors_of(to: Path) -> Iterator[None]:
    """Raise UsageError for a place that cannot be, RunError where its disk is full."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _FULL:
            raise RunError(
                f"--to must be a place with room, got {to}: {reason}; make room, and the same "
                "command goes on"
            ) from error
        raise UsageError(f"--to must be a place that can be written, got {to}: {reason}") from error


def _check_apart(to: Path, selection: Selection) -> None:
    """Refuse a place where the next run, or maintenance, would take the export for its own."""
    source = str(selection.run.row["source"])
    places = {"workspace": selection.workspace.root}
    if not is_remote(source):
        places["source"] = expanded(source)
    for name, place in places.items():
        if place.is_dir() and to.resolve().is_relative_to(place.resolve()):
            what = "the next run would sort it too" if name == "source" else "maintenance tidies it"
            raise UsageError(f"--to must lie outside the {name} {place}, got {to}: {what}")


def _write(selection: Selection, to: Path, form: str) -> Placed:
    if form in FILES:
        export_table(selection, to, form)
        placed = Placed()
        placed.counts["written"] = selection.rows.num_rows
        return placed
    Pictures(selection)  # a source that is gone is told before a folder is made
    to.mkdir(parents=True, exist_ok=True)
    write_json(to / _MARK, _mark_of(selection, form))
    return (export_folders if form in FOLDERS else export_shards)(selection, to, form)


def _planned(selection: Selection, form: str) -> Placed:
    """What would become of the pictures."""
    placed, total = Placed(), selection.rows.num_rows
    if form in FILES:
        placed.counts["written"] = total
        return placed
    pictures = Pictures(selection)
    linked = form in ("links", "fiftyone")
    n_files = sum(pictures.file(row) is not None for row in selection.rows.to_pylist())
    placed.counts["linked"] = n_files if linked else 0
    placed.counts["copied"] = total - placed.counts["linked"]
    return placed


def _mark_of(selection: Selection, form: str) -> dict[str, Any]:
    """What an export is of: another one never goes on with it."""
    rows = selection.rows
    paths = hash_strings(rows["path"].to_pylist())
    kinds = fingerprint(rows["cluster_id"].to_pylist(), selection.kinds)
    return {"run": selection.run.run_id, "as": form, "paths": paths, "kinds": kinds}


def _check(to: Path, form: str, mark: dict[str, Any]) -> bool:
    """Refuse to write over anything; whether `to` is this very export, begun before."""
    if form in FILES:
        if to.is_dir():
            raise UsageError(f"--as {form} writes one file, got the folder {to}; name a file in it")
        if to.exists():
            raise UsageError(f"--to must be a new file, {to} is there; nothing is overwritten")
        return False
    if to.exists() and not to.is_dir():
        raise UsageError(f"--as {form} writes a folder, got the file {to}")
    if not to.exists() or not any(to.iterdir()):
        return False
    try:
        begun = json.loads((to / _MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        begun = None
    if begun != mark:
        state = "an export of other images or kinds" if begun else "other files"
        raise UsageError(
            f"--to must be a new or empty folder, or the same export begun before; {to} holds "
            f"{state}"
        )
    return True
