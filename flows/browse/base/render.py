"""Templates of the pages: everything that comes from a collection is escaped."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from sortal.tasks.report.page import environment as report_environment

_TEMPLATES = Path(__file__).parent / "templates"


def page(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """The template `name`, filled; `here` in it is the address asked for."""
    html = environment().get_template(f"{name}.html.jinja").render(here=request.url, **values)
    return HTMLResponse(html, status)


@cache
def environment() -> jinja2.Environment:
    """The report's way of writing, over the templates of this package."""
    found = report_environment().overlay(loader=jinja2.FileSystemLoader(_TEMPLATES))
    found.filters |= {"part": part}
    found.globals |= {"address": address}
    return found


def part(text: object) -> str:
    """`text` as one part of an address."""
    return quote(str(text), safe="")


def address(path: str, **query: Any) -> str:
    """`path` with those of `query` that say something."""
    said: Mapping[str, Any] = {k: v for k, v in query.items() if v not in (None, "", [])}
    return f"{path}?{urlencode(said, doseq=True)}" if said else path
