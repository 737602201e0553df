"""The first page: every collection, and its runs, newest first."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from sortal.flows.browse.base.asked import After, LibraryOf
from sortal.flows.browse.base.render import page

router = APIRouter()

_RUNS = 50  # on a page


@router.get("/")
def collections(request: Request, library: LibraryOf) -> Response:
    """Collections, the one that was sorted last first."""
    return page(request, "collections", collections=library.rows("browse/collections"))


@router.get("/collection/{collection:path}")
def runs(request: Request, library: LibraryOf, collection: str, after: After = 0) -> Response:
    """The runs of a collection, newest first."""
    found = library.rows(
        "browse/runs", collection=collection, skipped=max(after, 0), count=_RUNS + 1
    )
    more = after + _RUNS if len(found) > _RUNS else None
    return page(request, "runs", collection=collection, runs=found[:_RUNS], more=more)
