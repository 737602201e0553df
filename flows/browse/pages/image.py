"""An image: what is known of it, where the run has put it and why, and what is like it."""

from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from sortal.configs.errors import RunError, UsageError
from sortal.flows.browse.base.asked import AskedRun, RunOf
from sortal.flows.browse.base.render import page
from sortal.flows.browse.held.seeker import Sought

router = APIRouter()

_NEAREST = 12
_AT_ONCE = 50_000  # images up to which an index is made for this page: two seconds
_WAIT = 1.0  # seconds for the index
_HISTORY_ROWS = 5_000_000  # that are looked through for an image's history
_WEIGHED = {"w_image": "its own look", "w_noun": "nouns", "w_caption": "captions"}


@router.get("/run/{run}/image/{key:path}")
def image(request: Request, run: RunOf, key: str) -> Response:
    """An image of a run."""
    files = run.rows("image", key=key)
    if not files:
        raise UsageError(f"run {run.run_id} has no image {key[:64]!r}")
    placed = next(iter(run.rows("placed", key=key)), None)
    looked = {row["step"] for row in run.rows("looked")}
    nearest, why_none = _nearest(run, key, "search_index" in looked)
    return page(
        request,
        "image",
        run=run.row,
        key=key,
        files=files,
        first=files[0],
        wholes=_wholes(run, files),
        placed=placed,
        card=run.card(placed["cluster_id"]) if placed else None,
        weights=_weights(placed) if placed else "",
        second=_second(run, key) if placed else {},
        beside=_beside(run, placed, key) if placed else {},
        looked=looked,
        flags=run.rows("flags", key=key) if "quality_flags" in looked else [],
        copies=run.rows("near_copies", key=key) if "duplicates" in looked else [],
        nearest=nearest,
        why_none=why_none,
        history=run.rows("image_history", key=key, most=_HISTORY_ROWS),
    )


def _wholes(run: AskedRun, files: list[dict[str, Any]]) -> list[str]:
    """The files' paths as they are written on this machine, or their addresses.

    Ready-made vectors have no files: what they call a path is shown as it is.
    """
    if run.row["encoder"].startswith("vectors:"):
        return [file["path"] or file["key"] for file in files]
    root = next((row["root"] for row in run.rows("root")), None) or ""
    parts = urlsplit(root)
    place = unquote(parts.path) if parts.scheme == "file" else root
    return [file["path"] if "://" in file["path"] else place + file["path"] for file in files]


def _weights(placed: dict[str, Any]) -> str:
    """Fusion weights in words: "its own look 60 %, nouns 25 %, captions 15 %"."""
    shares = {words: placed[name] or 0.0 for name, words in _WEIGHED.items()}
    said = [f"{words} {share:.0%}".replace("%", " %") for words, share in shares.items() if share]
    if len(said) < 2:
        return "its own look alone" if said else ""
    return ", ".join(said)


def _second(run: AskedRun, key: str) -> dict[str, Any]:
    """The second kind with distances, or `why` there is none to be told."""
    try:
        found = run.library.vectors(run.run_id).second(key)
    except (RunError, OSError, ValueError, IndexError, pa.ArrowException) as error:
        return {"why": str(error)}
    if found is None:
        return {"why": "there is no second kind"}
    card = next((card for card in run.kinds if card["cluster"] == found.cluster), None)
    return {"card": card, **found._asdict()} if card else {"why": "there is no second kind"}


def _beside(run: AskedRun, placed: dict[str, Any], key: str) -> dict[str, str]:
    """The keys `before` and `after` in the kind, typical ones first."""
    keys = run.library.ranked(run.run_id, placed["cluster"])["key"]
    place = pc.index(keys, key).as_py()
    sides = {"before": place - 1, "after": place + 1}
    return {
        side: keys[at].as_py() for side, at in sides.items() if place >= 0 and 0 <= at < len(keys)
    }


def _nearest(run: AskedRun, key: str, made: bool) -> tuple[list[dict[str, Any]], str]:
    """The nearest images of the run; none, with the reason, while there is no index."""
    seeker = run.library.seeker(run.run_id)
    if not made and not seeker.is_open and run.row["n_images"] > _AT_ONCE:
        return [], "the index of its images is not made yet"
    try:
        if not seeker.ready(_WAIT):
            return [], "the index of its images is being made"
        return run.shown(seeker.find(Sought(like=key), None, _NEAREST)), ""
    except (UsageError, RunError, OSError) as error:
        return [], str(error)
