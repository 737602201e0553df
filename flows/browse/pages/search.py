"""Search: words, a picture or an image of the run, among the images that filters leave."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sortal.configs.errors import RunError, UsageError
from sortal.flows.browse.base.asked import After, AskedRun, RunOf
from sortal.flows.browse.base.filters import COUNT, KEYS, PAGE, Filters
from sortal.flows.browse.base.render import page
from sortal.flows.browse.held.seeker import Sought
from sortal.flows.browse.held.uploads import MOST_BYTES
from sortal.flows.operations.find import MOST, Hit

router = APIRouter()

_IMAGES = 120  # on a page
_WAIT = 2.0  # seconds for what a search needs, before the page says that it is being made
_RECEIVED = asyncio.Semaphore(4)  # pictures that are received at once
_PATIENCE = 60.0  # seconds for a picture to come
_LASTING = {"cache-control": "private, max-age=86400"}


@dataclass
class Asked:
    """What is asked: `q` words, `like` an image of the run, `image` a picture that was sent."""

    filters: Annotated[Filters, Depends()]
    q: str = ""
    like: str = ""
    image: str = ""
    after: After = 0

    @property
    def sought(self) -> Sought:
        """What is sought, if anything."""
        return Sought(self.q.strip()[:1000], self.image, self.like)

    @property
    def skipped(self) -> int:
        """Images before the first that is shown."""
        return min(max(self.after, 0), 10**9)

    @property
    def query(self) -> dict[str, str]:
        """The part of an address that says it."""
        return {"q": self.q, "like": self.like, "image": self.image, **self.filters.query}


@dataclass
class Found:
    """A page of what was found; `waits` for what is being made, `problem` says why nothing is."""

    images: list[dict[str, Any]] = field(default_factory=list)
    files: int | None = None
    waits: bool = False
    problem: str = ""


AskedOf = Annotated[Asked, Depends()]


@router.get("/run/{run}/search")
def search(request: Request, run: RunOf, asked: AskedOf) -> Response:
    """The images nearest to what is sought; without that, all that the filters leave, by path."""
    try:
        found = _found(run, asked)
    except (UsageError, RunError, OSError) as error:
        found = Found(problem=str(error))
    facets: dict[str, list[dict[str, Any]]] = {}
    for row in run.library.lasting("browse/search/facets", run=run.run_id):
        facets.setdefault(row["facet"], []).append(row)
    more = len(found.images) > _IMAGES
    return page(
        request,
        "search",
        400 if found.problem else 200,
        run=run.row,
        asked=asked,
        q_words=asked.q,
        found=found,
        images=found.images[:_IMAGES],
        kinds=sorted(run.kinds, key=lambda each: (each["name"] or "", each["cluster_id"])),
        facets=facets,
        before=max(asked.skipped - _IMAGES, 0) if asked.skipped else None,
        more=asked.skipped + _IMAGES if more else None,
        command=asked.filters.command(run),
    )


@router.post("/run/{run}/search/picture")
async def send(request: Request, run: RunOf) -> Response:
    """Take the bytes of a picture, and say as what it can be sought."""
    if int(request.headers.get("content-length", "0")) > MOST_BYTES:
        return JSONResponse({"error": f"A picture must have {MOST_BYTES:,} bytes at most."}, 413)
    async with _RECEIVED:
        try:
            data = await asyncio.wait_for(request.body(), _PATIENCE)
        except TimeoutError:
            return JSONResponse({"error": "The picture came too slowly."}, 408)
        return await run_in_threadpool(_kept, run, data)


@router.get("/run/{run}/search/picture/{name}")
def sent(run: RunOf, name: str) -> Response:
    """A picture that was sent, as it is kept."""
    data = run.library.uploads.get(name)
    return Response(data, headers=_LASTING, media_type="image/png")


def _kept(run: AskedRun, data: bytes) -> Response:
    try:
        with run.library.decoders:
            name = run.library.uploads.add(data, run.shelf.stored.config.images)
    except UsageError as error:
        return JSONResponse({"error": f"{error}."}, 400)
    return JSONResponse({"image": name})


def _found(run: AskedRun, asked: Asked) -> Found:
    values = asked.filters.bound(run)
    if not asked.sought:
        place = values | {"count": _IMAGES + 1, "skipped": asked.skipped}
        files = run.library.answer(COUNT, values)[0]["files"] if asked.filters else None
        return Found(run.library.answer(PAGE, place) if asked.filters else [], files)
    hits = hits_of(run, asked, asked.skipped + _IMAGES + 1)
    if hits is None:
        return Found(waits=True)
    return Found(run.shown(hits[asked.skipped :]))


def hits_of(run: AskedRun, asked: Asked, count: int) -> list[Hit] | None:
    """The nearest images to what is sought; None while what that needs is being made.

    Raises UsageError for what cannot be sought here.
    """
    picture = run.library.uploads.get(asked.image) if asked.image else None
    seeker = run.library.seeker(run.run_id)
    if not seeker.ready(_WAIT, encoder=bool(asked.sought.words or picture)):
        return None
    among = None
    if asked.filters:
        values = asked.filters.bound(run)
        among = (tuple(values.values()), lambda: run.library.column(KEYS, values))
    return seeker.find(asked.sought, picture, min(count, MOST), among)
