"""The kinds of a run: a card each, coarse ones above where there is a tree."""

from typing import Any, Literal

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from sortal.flows.browse.base.asked import After, AskedRun, RunOf
from sortal.flows.browse.base.render import page
from sortal.tasks.report.data import Kind
from sortal.tasks.report.gather import tree_of

router = APIRouter()

Order = Literal["size", "name", "tight", "new"]
_CARDS = 60  # on a page
_ORDERS = {
    "size": lambda card: (-card["size"], card["cluster_id"]),
    "name": lambda card: ((card["name"] or "").casefold(), card["cluster_id"]),
    "tight": lambda card: (card["mean_distance"] or 0.0, card["cluster_id"]),
    "new": lambda card: (-(card["came"] or 0), -card["size"], card["cluster_id"]),
}


@router.get("/run/{run}")
def kinds(
    request: Request,
    run: RunOf,
    order: Order = "size",
    q: str = "",
    within: int | None = None,
    after: After = 0,
) -> Response:
    """The kinds in whose texts `q` is found; of the coarse kind `within` alone, if given."""
    cards, tree = run.cards, tree_of(run.tree)
    wanted = [card for card in cards if _fits(card, q)]
    coarse = next((kind for kind in _all(tree) if kind.level and kind.id == within), None)
    if coarse:
        parts = {kind.id for kind in _all(coarse.parts) if kind.level == 0}
        wanted = [card for card in wanted if card["cluster_id"] in parts]
    wanted.sort(key=lambda card: (card["cluster"] < 0, *_ORDERS[order](card)))
    shown = wanted[after : after + _CARDS]
    return page(
        request,
        "kinds",
        run=run.row,
        cards=shown,
        n_kinds=sum(card["cluster"] >= 0 for card in cards),
        n_found=len(wanted),
        largest=max((card["size"] for card in cards), default=0),
        order=order,
        q=q,
        tree=tree,
        within=coarse,
        after=after,
        more=after + _CARDS if len(wanted) > after + _CARDS else None,
        changed=previous_of(run),
    )


def previous_of(run: AskedRun) -> str | None:
    """The run that this one was compared with."""
    found: str | None = run.rows("previous")[0]["previous_run_id"]
    return found


def _fits(card: dict[str, Any], q: str) -> bool:
    texts = (card["name"] or "", *(card["nouns"] or ()), card["label"] or "", card["mark"] or "")
    return not q.strip() or any(q.strip().casefold() in text.casefold() for text in texts)


def _all(tree: list[Kind]) -> list[Kind]:
    return [each for kind in tree for each in (kind, *_all(kind.parts))]
