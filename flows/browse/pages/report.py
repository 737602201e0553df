"""The report of a run, with every picture and kind a click away."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from sortal.flows.browse.base.asked import RunOf
from sortal.tasks.report.page import build_served

router = APIRouter()

_STYLED = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'"


@router.get("/run/{run}/report")
def report(run: RunOf) -> Response:
    """The page that `sortal report` writes, over this server's pictures."""
    with run.library.lake() as lake:
        page = build_served(lake, run.run_id, f"/run/{run.run_id}")
    return HTMLResponse(page, headers={"content-security-policy": _STYLED})
