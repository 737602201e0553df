"""A selection to take along: the images of a kind or of a search as a table."""

import tempfile
from collections.abc import Iterator
from threading import Semaphore
from typing import IO, Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from sortal.configs.errors import RunError
from sortal.flows.browse.base.asked import AskedRun, RunOf
from sortal.flows.browse.base.filters import EXPORT
from sortal.flows.browse.pages.search import Asked, AskedOf, hits_of
from sortal.flows.operations.export.tables import write_rows

router = APIRouter()

_ROWS = 10_000  # held at a time
_IN_MEMORY = 4_000_000  # bytes of a table, beyond which it goes to the disk until it is sent
_CHUNK = 1 << 18
_TURNS = Semaphore(2)  # that are written at once, so that pages still get a lake
_RANKED = (
    "SELECT hit.score, export.* FROM (SELECT unnest($keys::VARCHAR[]) AS key, "
    "unnest($scores::DOUBLE[]) AS score) AS hit JOIN ({rows}) AS export ON export.key = hit.key "
    "ORDER BY hit.score DESC, export.path"
)
_TYPES = {"csv": "text/csv", "parquet": "application/octet-stream", "jsonl": "application/jsonl"}


@router.get("/run/{run}/export")
def export(
    run: RunOf,
    asked: AskedOf,
    form: Annotated[Literal["csv", "parquet", "jsonl"], Query(alias="as")] = "csv",
    count: Annotated[int, Query(ge=1, le=10_000)] = 500,
) -> Response:
    """The images that a search finds (the `count` nearest) or filters leave, as a table.

    Its rows are those of `sortal export`, and pass through memory some at a time.
    """
    query, values = _selected(run, asked, count)
    out: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - sent, then closed
    with _TURNS, run.library.lake() as lake:
        write_rows(lake.execute(query, values).to_arrow_reader(_ROWS), form, out)
    headers = {
        "content-disposition": f'attachment; filename="sortal-{run.run_id}.{form}"',
        "content-length": str(out.seek(0, 2)),
    }
    return StreamingResponse(_chunks(out), headers=headers, media_type=_TYPES[form])


def _selected(run: AskedRun, asked: Asked, count: int) -> tuple[str, dict[str, Any]]:
    values = asked.filters.bound(run)
    if not asked.sought:
        return f"{EXPORT} ORDER BY export.path, export.key", values
    hits = hits_of(run, asked, count)
    if hits is None:
        raise RunError("what the search needs is being made; ask again in a moment")
    found = {"keys": [hit.key for hit in hits], "scores": [hit.score for hit in hits]}
    return _RANKED.format(rows=EXPORT), values | found


def _chunks(out: IO[bytes]) -> Iterator[bytes]:
    with out:
        out.seek(0)
        while chunk := out.read(_CHUNK):
            yield chunk
