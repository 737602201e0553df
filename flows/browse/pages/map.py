"""The map: every image of a run in two dimensions, and the images in a lasso."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from pydantic import Field
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from sortal.configs.errors import UsageError
from sortal.flows.browse.base.asked import AskedRun, RunOf
from sortal.flows.browse.base.points import By, Points
from sortal.flows.browse.base.render import page
from sortal.flows.browse.pages.make import states
from sortal.storage.lake.sql import sql

router = APIRouter()
Code = Annotated[int, Field(ge=0, lt=2**16)]  # of a group

_KEYS = 200  # that are told at once
_CORNERS = 400  # of a lasso
_IMAGES = 120  # on a page
_BLOCK = 1 << 20  # bytes
_HOUR = {"cache-control": "private, max-age=3600"}
# plotly writes its style into the page, and makes its WebGL programs by generated functions.
_POLICY = (
    "default-src 'none'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-eval'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)


@router.get("/run/{run}/map")
def draw(request: Request, run: RunOf, by: By = "kind") -> Response:
    """The page of the map."""
    state = states(run, "map")["map"]
    points = points_of(run) if state.is_made else None
    answer = page(
        request,
        "map",
        run=run.row,
        state=state,
        points=points,
        by=by,
        version=f"{state.made_at:%Y%m%d%H%M%S}" if state.made_at else "",
        drawn=bool(script()),
    )
    answer.headers["content-security-policy"] = _POLICY
    return answer


@router.get("/run/{run}/map/points.bin")
def places(run: RunOf) -> Response:
    """float32, little-endian: the x of every point, then the y of every point."""
    return _binary(points_of(run).xy.astype("<f4"))


@router.get("/run/{run}/map/groups/{by}.bin")
def codes(run: RunOf, by: By) -> Response:
    """uint16, little-endian: the group of every point."""
    return _binary(points_of(run).grouped(by).codes.astype("<u2"))


@router.get("/run/{run}/map/groups/{by}.json")
def groups(run: RunOf, by: By) -> Response:
    """The groups of a colouring, by number."""
    found = points_of(run).grouped(by).groups
    return JSONResponse([group._asdict() for group in found])


@router.get("/run/{run}/map/images.json")
def images(run: RunOf, rows: str) -> Response:
    """What is said of the points of some rows, such as `rows=4,17`."""
    try:
        wanted = [int(row) for row in rows.split(",")][: _KEYS + 1]
    except ValueError as error:
        raise UsageError(f"rows must be numbers, got {rows[:40]!r}") from error
    if len(wanted) > _KEYS:
        raise UsageError(f"at most {_KEYS} rows can be asked for at once")
    return JSONResponse(points_of(run).at(wanted))


@router.get("/run/{run}/map/inside")
def inside(
    request: Request,
    run: RunOf,
    lasso: str,
    by: By = "kind",
    hidden: Annotated[list[Code], Query()] = [],  # noqa: B006
    after: int = 0,
) -> Response:
    """The images in a lasso, `x,y,x,y,…` in the map's coordinates; its middle first.

    Those of the groups `hidden` of a colouring are left out.
    """
    points, after = points_of(run), max(after, 0)
    found = points.inside(_polygon(lasso))
    if hidden:
        found = found[~np.isin(points.grouped(by).codes[found], hidden)]
    keys = [each["key"] for each in points.at(found[after : after + _IMAGES].tolist())]
    return page(
        request,
        "inside",
        run=run.row,
        images=run.rows("map/images", keys=keys) if keys else [],
        total=len(found),
        query={"lasso": lasso, "by": by if hidden else None, "hidden": hidden},
        before=max(after - _IMAGES, 0) if after else None,
        more=after + _IMAGES if len(found) > after + _IMAGES else None,
    )


@router.get("/map/plotly.js")
def plotly() -> Response:
    """The library that draws, from its Python package."""
    file = script()
    if file is None:
        raise UsageError("plotly is not installed: pip install 'sortal[map]'")
    return FileResponse(file, media_type="text/javascript", headers=_HOUR)


def script() -> Path | None:
    """plotly's JavaScript, if the extra `map` is installed."""
    spec = importlib.util.find_spec("plotly")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (file := Path(folder) / "package_data" / "plotly.min.js").is_file():
            return file
    return None


def points_of(run: AskedRun) -> Points:
    """The map of a run; raises UsageError where it is not made yet."""
    made_at = states(run, "map")["map"].made_at
    if made_at is None:
        raise UsageError(f"the map of run {run.run_id} is not made yet")

    def load() -> Points:
        with run.library.lake() as lake:
            rows = lake.query(sql("browse/map/points"), {"run": run.run_id})
        return Points(rows, run.rows("kinds"))

    return run.library.maps.get((run.run_id, made_at), load)


def _polygon(text: str) -> NDArray[np.float32]:
    try:
        numbers = np.array([float(each) for each in text.split(",")], np.float32)
    except ValueError as error:
        raise UsageError(f"lasso must be x,y,x,y,…, got {text[:40]!r}") from error
    corners = len(numbers) // 2
    if len(numbers) % 2 or not 3 <= corners <= _CORNERS or not np.isfinite(numbers).all():
        raise UsageError(f"lasso must have 3 to {_CORNERS} corners x,y, got {len(numbers)} numbers")
    return numbers.reshape(-1, 2)


def _binary(values: NDArray[Any]) -> Response:
    data = memoryview(np.ascontiguousarray(values).data).cast("B")

    def parts() -> Iterator[memoryview]:
        for start in range(0, len(data), _BLOCK):
            yield data[start : start + _BLOCK]

    headers = {**_HOUR, "content-length": str(len(data))}
    return StreamingResponse(parts(), media_type="application/octet-stream", headers=headers)
