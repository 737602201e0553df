"""A kind: every image of it, a page at a time, what became of it, its name and its mark."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import duckdb
import pyarrow as pa
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sortal.configs.errors import RunError, UsageError
from sortal.flows.browse.base.asked import After, AskedRun, RunOf
from sortal.flows.browse.base.filters import Filters
from sortal.flows.browse.base.forms import Form
from sortal.flows.browse.base.render import page, part
from sortal.flows.operations.find import Hit
from sortal.flows.operations.lineage import MARKS, mark, rename
from sortal.storage.lake.retry import one_line

router = APIRouter()

Order = Literal["typical", "odd", "newest", "near"]
_IMAGES = 120  # on a page
_READ_ONLY = re.compile("read.?only|permission denied", re.IGNORECASE)
_BESIDE = 12  # kinds of the same coarse kind


@dataclass
class View:
    """Which images are shown first, and from which on; `near` is the stable id of another kind."""

    order: Order = "typical"
    after: After = 0
    near: int | None = None

    @property
    def skipped(self) -> int:
        """Images before the first that is shown."""
        return max(self.after, 0)


@router.get("/run/{run}/kind/{kind}")
def kind(request: Request, run: RunOf, kind: int, view: Annotated[View, Depends()]) -> Response:
    """The images of a kind: typical or odd ones, newest ones, or those near another kind first."""
    return _shown(request, run, kind, view)


@router.post("/run/{run}/kind/{kind}/name")
def name(request: Request, run: RunOf, kind: int, form: Form) -> Response:
    """Give the kind the name of the form, or its own again where that is empty."""
    wanted = form.get("name", "").strip() or None
    return _change(request, run, kind, lambda root: rename(root, kind, wanted, run.run_id))


@router.post("/run/{run}/kind/{kind}/mark")
def marked(request: Request, run: RunOf, kind: int, form: Form) -> Response:
    """Mark the kind as the form says, or as nothing."""
    wanted = form.get("mark", "") or None
    return _change(request, run, kind, lambda root: mark(root, kind, wanted, run.run_id))


def _change(request: Request, run: AskedRun, kind: int, work: Callable[..., str]) -> Response:
    """Do it and show the kind; where it cannot be done, the kind's page says why in one line."""
    run.card(kind)
    try:
        work(run.library.workspace.root)
    except (UsageError, RunError, duckdb.Error, OSError) as error:
        return _shown(request, run, kind, View(), _reason(error))
    finally:
        run.library.written()
    return RedirectResponse(f"/run/{part(run.run_id)}/kind/{kind}", 303)


def _reason(error: Exception) -> str:
    line = one_line(error)
    if isinstance(error, UsageError) or not _READ_ONLY.search(line):
        return line
    return "names and marks need a workspace that can be written, and this one can only be read"


def _shown(request: Request, run: AskedRun, kind: int, view: View, problem: str = "") -> Response:
    card = run.card(kind)
    images, why_not = _images(run, card, view)
    here = f"/run/{part(run.run_id)}/kind/{kind}"
    tree = run.tree
    return page(
        request,
        "kind",
        400 if problem else 200,
        run=run.row,
        card=card,
        at=here,
        others=_by_name(run.kinds),
        images=images[:_IMAGES],
        view=view,
        problem=problem or why_not,
        marks=MARKS,
        before=max(view.skipped - _IMAGES, 0) if view.skipped else None,
        more=view.skipped + _IMAGES if len(images) > _IMAGES else None,
        terms=run.rows("terms", cluster=card["cluster"]),
        history=run.rows("history", id=kind),
        path=next(iter(run.rows("path", id=kind)), None) if tree else None,
        command=Filters(kind=str(kind)).command(run),
        beside=_beside(tree, card)[:_BESIDE],
    )


def _by_name(kinds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The kinds that an image can be near, which images without a kind are not."""
    near = [each for each in kinds if each["cluster"] >= 0]
    return sorted(near, key=lambda each: (each["name"] or "", each["cluster_id"]))


def _images(run: AskedRun, card: dict[str, Any], view: View) -> tuple[list[dict[str, Any]], str]:
    """A page of images and one more; or none, with the reason."""
    shown = run.library.shown_soon(run.run_id) if view.order in ("typical", "odd") else None
    if shown:
        hits = _ranked(run, card, view)
        return [{**row, "distance": row["score"]} for row in shown.rows(hits, run.kinds)], ""
    if view.order != "near":
        place = {"cluster": card["cluster"], "count": _IMAGES + 1, "skipped": view.skipped}
        return run.rows("images", **place, order=view.order), ""
    if view.near is None:
        return [], "say which kind the images shall be near"
    other = run.card(view.near)
    try:
        found = run.library.vectors(run.run_id).nearest(
            card["cluster"], other["cluster"], view.skipped, _IMAGES + 1
        )
    except (RunError, OSError, ValueError) as error:
        return [], str(error)
    return [{**row, "distance": row["score"]} for row in run.shown(found)], ""


def _ranked(run: AskedRun, card: dict[str, Any], view: View) -> list[Hit]:
    """A page of the kind's images and one more, by distance to its centre."""
    ranked = run.library.ranked(run.run_id, card["cluster"])
    start, end = view.skipped, min(view.skipped + _IMAGES + 1, ranked.num_rows)
    last = ranked.num_rows - 1
    places = [last - n if view.order == "odd" else n for n in range(start, end)]
    rows = ranked.take(pa.array(places, pa.int64())).to_pylist()
    return [Hit(row["key"], row["distance"]) for row in rows]


def _beside(tree: list[dict[str, Any]], card: dict[str, Any]) -> list[dict[str, Any]]:
    """The other kinds of its coarse kind, the largest first; none where there is no tree."""
    fine = [row for row in tree if row["level"] == 0]
    own = next((row for row in fine if row["node"] == card["cluster"]), None)
    if own is None or own["parent"] is None:
        return []
    return [row for row in fine if row["parent"] == own["parent"] and row is not own]
