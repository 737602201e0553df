"""What a form sends: read with a bound, as text."""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request

_MOST_BYTES = 20_000
_MOST_FIELDS = 20


async def form(request: Request) -> dict[str, str]:
    """The fields of an urlencoded form, the last of each name; 400 for anything else."""
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > _MOST_BYTES:
        raise HTTPException(400, f"a form must have {_MOST_BYTES:,} bytes at most")
    try:
        text = (await request.body()).decode("ascii")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS,
                              errors="strict"))  # fmt: skip
    except ValueError as error:
        raise HTTPException(400, f"a form must be urlencoded: {error}") from error


Form = Annotated[dict[str, str], Depends(form)]
