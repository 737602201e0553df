"""Clean up: copies, odd ones, flawed pictures, unreadable files and doubtful labels, by rules."""

import csv
import io
import shlex
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sortal.configs.errors import UsageError
from sortal.configs.looks import Look
from sortal.flows.browse.base.asked import AskedRun, RunOf
from sortal.flows.browse.base.render import page
from sortal.flows.browse.cleaning.flaws import Flaw, flaws
from sortal.flows.browse.cleaning.matrix import matrix_of
from sortal.flows.browse.pages.make import states
from sortal.storage.lake.sql import sql
from sortal.tasks.errors import Code

router = APIRouter()

_ON_A_PAGE = 60  # groups, or files that could not be read
_IMAGES = 120
_LOOKS: tuple[Look, ...] = ("duplicates", "quality_flags")
_BATCH = 10_000  # rows of a download that are held as Python objects


@router.get("/run/{run}/clean")
def clean(request: Request, run: RunOf) -> Response:
    """Every list with its rule and how much is on it."""
    found = states(run, *_LOOKS)
    shown = _shown(run)
    counts = {}
    for flaw in shown:
        made_at = found[flaw.look].made_at if flaw.look else None
        if flaw.look is None or made_at:
            place = (run.run_id, flaw.what, made_at)
            counts[flaw.what] = run.library.counts.get(place, partial(_total, run, flaw))
    return page(request, "clean/overview", run=run.row, flaws=shown, states=found, counts=counts)


@router.get("/run/{run}/clean/{what}.csv")
def download(run: RunOf, what: str) -> Response:
    """A whole list as CSV."""
    flaw = _flaw(run, what)
    name = f"{run.run_id}-{what}.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_csv(run, flaw), media_type="text/csv", headers=headers)


@router.get("/run/{run}/clean/{what}")
def listed(request: Request, run: RunOf, what: str, after: int = 0) -> Response:
    """A page of a list."""
    flaw = _flaw(run, what)
    after = min(max(after, 0), 10**9)
    state = states(run, flaw.look)[flaw.look] if flaw.look else None
    ready = state is None or state.is_made
    count = _ON_A_PAGE if flaw.shape in ("files", "groups", "failures") else _IMAGES
    rows = _rows(run, flaw, count, after) if ready else []
    total = rows[0]["total"] if rows and flaw.shape != "matrix" else len(rows)
    return page(
        request,
        f"clean/{flaw.shape}",
        run=run.row,
        flaw=flaw,
        state=state,
        ready=ready,
        rows=rows,
        by_kind=[(id_, list(each)) for id_, each in groupby(rows, lambda r: r.get("cluster_id"))],
        matrix=matrix_of(rows) if flaw.shape == "matrix" else None,
        meanings={code.value: code.meaning for code in Code},
        total=total,
        after=after,
        before=max(after - count, 0) if after else None,
        more=after + count if total > after + count else None,
        command=_command(run, flaw),
    )


def _flaw(run: AskedRun, what: str) -> Flaw:
    flaw = flaws(run.library.config).get(what)
    if flaw is None:
        raise UsageError(f"there is no list {what!r} to clean up by")
    return flaw


def _shown(run: AskedRun) -> list[Flaw]:
    labelled = run.rows("clean/labelled")[0]["labelled"]
    return [flaw for flaw in flaws(run.library.config).values() if labelled or not flaw.labels]


def _rows(run: AskedRun, flaw: Flaw, count: int, after: int) -> list[dict[str, Any]]:
    place = {} if flaw.shape == "matrix" else {"count": count, "skipped": after}
    return run.rows(f"clean/{flaw.query}", **flaw.values, **place)


def _total(run: AskedRun, flaw: Flaw) -> int:
    rows = _rows(run, flaw, 1, 0)
    return rows[0].get("total", len(rows)) if rows else 0


def _command(run: AskedRun, flaw: Flaw) -> str | None:
    condition = flaw.condition(run.run_id)
    if condition is None:
        return None
    parts = ["sortal", "export", run.run_id, "--workspace", str(run.library.workspace.root)]
    return shlex.join([*parts, "--to", f"{flaw.what}-of-{run.run_id}", "--where", condition])


def _csv(run: AskedRun, flaw: Flaw) -> Iterator[str]:
    place = {} if flaw.shape == "matrix" else {"count": None, "skipped": 0}
    with run.library.lake() as lake:
        values = {"run": run.run_id, **flaw.values, **place}
        table = lake.query(sql(f"browse/clean/{flaw.query}"), values)
    header = True
    for batch in table.to_batches(_BATCH) or table.slice(0, 0).to_batches():
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        for line in (line for row in batch.to_pylist() for line in _flat(row)):
            if header:
                writer.writerow(line)
            writer.writerow(line.values())
            header = False
        yield out.getvalue()


def _flat(row: dict[str, Any]) -> list[dict[str, Any]]:
    """A file a row: groups are taken apart."""
    rest = {name: value for name, value in row.items() if name != "total"}
    if "paths" in row:
        paths = rest.pop("paths")
        return [{"path": path, "keep": path == paths[0], **rest} for path in paths]
    if "pictures" in row:
        group = {"group_key": row["key"], "n": row["n"]}
        return [{"path": each["path"], "keep": each["key"] == row["key"], **group, **each}
                for each in row["pictures"]]  # fmt: skip
    return [rest]
