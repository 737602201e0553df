"""A kind: every image of it, a page at a time, and what became of it from run to run."""

from typing import Any, Literal

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from sortal.configs.errors import UsageError
from sortal.flows.browse.base.asked import AskedRun, RunOf
from sortal.flows.browse.base.render import page

router = APIRouter()

Order = Literal["typical", "odd", "newest"]
_IMAGES = 120  # on a page


@router.get("/run/{run}/kind/{kind}")
def kind(
    request: Request,
    run: RunOf,
    kind: int,
    order: Order = "typical",
    after: int = 0,
) -> Response:
    """The images of a kind: typical or odd ones first, or newest first."""
    cards = run.rows("kinds")
    card = card_of(cards, kind, run)
    place = {"cluster": card["cluster"], "count": _IMAGES + 1, "skipped": max(after, 0)}
    images = run.rows("images", **place, order=order)
    return page(
        request,
        "kind",
        run=run.row,
        card=card,
        cards=sorted(cards, key=lambda each: (each["name"] or "", each["cluster_id"])),
        images=images[:_IMAGES],
        order=order,
        after=after,
        more=after + _IMAGES if len(images) > _IMAGES else None,
        terms=run.rows("terms", cluster=card["cluster"]),
        history=run.rows("history", id=kind),
        path=next(iter(run.rows("path", id=kind)), None),
    )


def card_of(cards: list[dict[str, Any]], kind: int, run: AskedRun) -> dict[str, Any]:
    """The card of a stable id; raises UsageError where the run has none."""
    found = next((card for card in cards if card["cluster_id"] == kind), None)
    if found is None:
        raise UsageError(f"run {run.run_id} has no kind {kind}")
    return found
