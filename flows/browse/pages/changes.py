"""What changed between two runs of a collection: files that came, went, moved; kinds as well."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from sortal.configs.errors import UsageError
from sortal.flows.browse.base.asked import After, AskedRun, RunOf
from sortal.flows.browse.base.render import page
from sortal.storage.lake.compare import CHANGES, counts_of, some_of

router = APIRouter()

Change = Literal["new", "gone", "renamed", "copied", "edited", "unreadable", "repaired", "moved"]
_IMAGES = 120  # on a page
_FEW = 12  # of each change on the page of all
_PICTURED = ("new", "moved", "gone")  # on the page of all
_PAIRS = 60  # of kinds that images went from and to
_OF_PAIR = "($from IS NULL OR from_id = $from) AND ($to IS NULL OR to_id = $to)"


@dataclass
class View:
    """With which run, which changes, from which to which kind, and from the how manieth on."""

    against: str = ""
    show: Change | None = None
    origin: int | None = None
    goal: int | None = None
    after: After = 0

    @property
    def skipped(self) -> int:
        """Files before the first that is shown."""
        return max(self.after, 0)


@router.get("/run/{run}/changes")
def changes(request: Request, run: RunOf, view: Annotated[View, Depends()]) -> Response:
    """What changed since the run it was compared with, or another of its collection."""
    runs = run.rows("changes/runs")
    past = _past(run, runs, view)
    if past is None:
        return page(request, "changes", run=run.row, runs=runs, past=None, view=view)
    pair = {"first": past["run_id"], "second": run.run_id}
    same = bool(past["same_series"])
    found = run.library.answer(counts_of(same), pair, lasting=True)
    counts = {row["change"]: row["n_files"] for row in found}
    whole = view.show is None
    lists = {
        change: _files(run, pair, view, change, _FEW if whole else _IMAGES + 1)
        for change in (_PICTURED if view.show is None else (view.show,))
        if counts.get(change)
    }
    n_shown = max((len(files) for files in lists.values()), default=0)
    return page(
        request,
        "changes",
        run=run.row,
        runs=runs,
        past=past,
        view=view,
        counts={change: counts.get(change, 0) for change in CHANGES},
        lists={change: files[:_IMAGES] for change, files in lists.items()},
        before=max(view.skipped - _IMAGES, 0) if view.skipped else None,
        more=view.skipped + _IMAGES if not whole and n_shown > _IMAGES else None,
        kinds=run.library.rows("browse/changes/kinds", **pair) if same and whole else [],
        pairs=_pairs(run, pair, same) if whole or view.show == "moved" else [],
    )


def _past(run: AskedRun, runs: list[dict[str, Any]], view: View) -> dict[str, Any] | None:
    """The other run; None where there is none before. UsageError for another collection's."""
    known = {row["run_id"]: row for row in runs}
    if view.against:
        other = run.library.run_id(view.against)
        if other not in known or other == run.run_id:
            raise UsageError(f"against must be another run of {run.row['collection']}, got {other}")
        return known[other]
    before = run.library.rows("compare/before", run=run.run_id)
    return known.get(before[0]["run_id"]) if before else None


def _files(
    run: AskedRun, pair: dict[str, str], view: View, change: str, count: int
) -> list[dict[str, Any]]:
    values: dict[str, Any] = {**pair, "count": count, "skipped": view.skipped}
    where = ""
    if change == "moved":
        where = f" WHERE {_OF_PAIR}"
        values |= {"from": view.origin, "to": view.goal}
    else:
        values["change"] = change
    query = f"FROM ({some_of(change)}){where} ORDER BY path, key LIMIT $count OFFSET $skipped"
    return run.library.answer(query, values)


def _pairs(run: AskedRun, pair: dict[str, str], same: bool) -> list[dict[str, Any]]:
    """From which kind to which how many images went; of two series, what kinds share."""
    rows = run.library.rows("lineage/diff", all=not same, **pair)
    return [row for row in rows if None not in (row["from_id"], row["to_id"])][:_PAIRS]
