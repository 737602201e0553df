"""What `sortal export` and `sortal find` print."""

import logging
import sys
from pathlib import Path

from sortal.configs.errors import RunError, UsageError, counted
from sortal.flows.operations.export.run import FILES, Exported, Request, export
from sortal.flows.operations.query import reading
from sortal.flows.terminal.formats import check_format, write
from sortal.flows.terminal.logs import log_to_terminal
from sortal.storage.lake.runs import run_of
from sortal.storage.lake.sql import sql
from sortal.storage.workspace import Workspace
from sortal.tasks.shown import shown
from sortal.tasks.silence import doing

_SHOWN = 5  # files that could not be exported


def run_export(request: Request) -> None:
    """Export, and print the place; what was done goes to stderr, in a line or two."""
    log_to_terminal(logging.INFO)
    doing("reading the run")
    done = export(request)
    for line in _said(done, request.form, request.dry_run):
        print(shown(line), file=sys.stderr)
    if not request.dry_run:
        print(done.to)
    failed = done.placed.counts["failed"]
    if failed and failed == done.selection.rows.num_rows:
        raise RunError("no image could be exported; the manifest says why of each")


def _said(done: Exported, form: str, dry_run: bool) -> list[str]:
    counts, rows = done.placed.counts, done.selection.rows.num_rows
    verb = "would be" if dry_run else "was" if rows == 1 else "were"
    lines = [
        f"run {done.selection.run.run_id}: {counted(rows, 'image')} of "
        f"{counted(len(done.selection.kinds), 'kind')} {verb} exported as {form}"
        + (", gone on with" if done.resumed else "")
    ]
    parts = [f"{counts[name]:,} {name}" for name in _COUNTED if counts[name]]
    if form not in FILES and parts:
        lines.append("; ".join(parts))
    if form in ("links", "fiftyone") and counts["copied"]:
        lines.append(
            f"{_no_files(counts['copied'])} here (in archives, tables or far away), and "
            f"{'would be' if dry_run else 'are'} copied in place of links"
        )
    for path, reason in done.placed.failed[:_SHOWN]:
        lines.append(f"not exported: {path}: {reason}")
    if len(done.placed.failed) > _SHOWN:
        lines.append(f"... and {len(done.placed.failed) - _SHOWN:,} more; see manifest.csv")
    return lines


def _no_files(count: int) -> str:
    return "1 is no file of its own" if count == 1 else f"{count:,} are no files of their own"


_COUNTED = ("linked", "copied", "already there", "failed")


def run_find(
    workspace: Path,
    words: str | None,
    image: Path | None,
    count: int,
    run: str | None,
    output: str = "table",
) -> None:
    """Write the images nearest to words and a picture: score, path, name, cluster_id, key."""
    check_format(output, None)
    if words is None and image is None:
        raise UsageError('find needs words, such as "red car in snow", --image FILE, or both')
    log_to_terminal(logging.INFO)
    from sortal.flows.operations.find import Shelf

    with reading(workspace) as lake:
        run_id = run_of(lake, run) if run else None
    shelf = Shelf.open(Workspace(workspace).create(), run_id)
    hits = shelf.search(words=words, image=image, count=count)
    values = {
        "run": shelf.stored.run_id,
        "keys": [hit.key for hit in hits],
        "scores": [hit.score for hit in hits],
    }
    with reading(workspace) as lake:
        write(lake.execute(sql("looks/found"), values), output, None)
