"""Looks that are made when a page asks for them; the page says how far they are."""

import re
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from sortal.configs.errors import UsageError
from sortal.configs.looks import Look
from sortal.flows.browse.base.asked import AskedRun, RunOf
from sortal.flows.browse.base.making import Job

router = APIRouter()

_PAGES = re.compile(r"clean(/[a-z]+)?|map")


@dataclass(frozen=True)
class State:
    """Of a look of a run: when it was made, if it is there, and the last job for it, if any."""

    look: Look
    made_at: datetime | None
    job: Job | None

    @property
    def is_made(self) -> bool:
        """Whether its rows can be asked for."""
        return self.made_at is not None

    @property
    def is_under_way(self) -> bool:
        """Whether it is being made now."""
        return self.job is not None and not self.job.ended

    @property
    def error(self) -> str | None:
        """Why it is not there, after a job for it."""
        if self.job is None or self.is_under_way or self.is_made:
            return None
        return self.job.error or "it was made, and the lake may not be written to"


@router.post("/run/{run}/make/{look}")
def make(run: RunOf, look: Look, to: str) -> Response:
    """Begin to make a look, and go to the page that asked for it."""
    if not _PAGES.fullmatch(to):
        raise UsageError(f"to must be a page of the run, got {to!r}")
    run.library.making.start(run.shelf, look)
    return RedirectResponse(f"/run/{run.run_id}/{to}", 303)


def states(run: AskedRun, *looks: Look) -> dict[Look, State]:
    """How it stands with looks of a run."""
    made = {
        row["step"]: row["made_at"] for row in run.library.fresh("browse/looked", run=run.run_id)
    }
    making = run.library.making
    return {look: State(look, made.get(look), making.job(run.run_id, look)) for look in looks}
