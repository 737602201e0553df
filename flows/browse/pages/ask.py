"""Ask: a visitor's SQL, its answer as a table, as bars and as pictures, and the whole as a file."""

from collections.abc import Iterator
from functools import cache
from itertools import chain
from math import isfinite
from typing import Any, Literal, NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from sortal.configs.errors import UsageError
from sortal.flows.browse.base.asked import LibraryOf
from sortal.flows.browse.base.library import Library
from sortal.flows.browse.base.question import Answer
from sortal.flows.browse.base.render import address, page
from sortal.storage.lake.sql import SQL

router = APIRouter()

_OF_IMAGES = ("key", "path", "representatives", "keys", "paths", "typical")  # columns
_PICTURES = 120  # at the most
_OF_A_ROW = 7
_BARS = 50
_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


class Example(NamedTuple):
    """A question of the cookbook."""

    question: str
    sql: str


class Bar(NamedTuple):
    """A line of a chart; `share` is of the greatest number."""

    label: str
    value: float
    share: float


class Picture(NamedTuple):
    """An image of an answer, and what its row says."""

    run_id: str
    key: str
    what: str
    says: str


@router.get("/ask")
def ask(request: Request, library: LibraryOf, sql: str = "") -> Response:
    """The box, the examples, and an answer where there is a question."""
    found, error = None, None
    if sql.strip():
        try:
            found = library.questions.ask(sql)
        except UsageError as wrong:
            error = str(wrong)
    return page(
        request,
        "ask",
        400 if error else 200,
        sql=sql,
        error=error,
        answer=found,
        cells=[[cell_of(value) for value in row] for row in found.rows] if found else [],
        bars=bars_of(found) if found else [],
        pictures=pictures_of(library, found) if found else [],
        examples=examples(),
        tables=library.rows("operations/tables"),
    )


@router.get("/ask/answer.{form}")
def download(library: LibraryOf, form: Literal["csv", "parquet"], sql: str) -> Response:
    """A whole answer as a file, sent while it is made."""
    parts: Iterator[bytes] = getattr(library.questions, form)(sql)
    try:
        first = next(parts, b"")  # an error comes before anything is sent
    except UsageError:
        return RedirectResponse(address("/ask", sql=sql), 303)
    headers = {"content-disposition": f'attachment; filename="answer.{form}"'}
    return StreamingResponse(chain([first], parts), media_type=_TYPES[form], headers=headers)


@cache
def examples() -> list[Example]:
    """The questions of the cookbook; a file's first line is the question."""
    files = sorted((SQL / "cookbook").glob("*.sql"))
    texts = [file.read_text("utf-8").strip().partition("\n") for file in files]
    return [Example(first.removeprefix("-- "), rest) for first, _, rest in texts]


def cell_of(value: Any) -> str:
    """A value as it is shown in the table."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def bars_of(answer: Answer) -> list[Bar]:
    """The answer as bars, where it has one column of texts and then numbers."""
    texts = [n for n, column in enumerate(answer.columns) if column.kind == "text"]
    numbers = [n for n, column in enumerate(answer.columns) if column.kind == "number"]
    if len(texts) != 1 or not numbers or len(answer.rows) < 2:
        return []
    rows = [(cell_of(row[texts[0]]), row[numbers[0]]) for row in answer.rows[:_BARS]]
    if any(value is None or not (isfinite(value) and value >= 0) for _, value in rows):
        return []
    most = max(float(value) for _, value in rows) or 1.0
    return [Bar(label, value, float(value) / most) for label, value in rows]


def pictures_of(library: Library, answer: Answer) -> list[Picture]:
    """Pictures of the images that the answer names, in columns called as images are."""
    of_images = [n for n, column in enumerate(answer.columns) if column.name in _OF_IMAGES]
    of_images = [n for n in of_images if answer.columns[n].kind in ("text", "texts")][:1]
    if not of_images:
        return []
    place = of_images[0]
    named = [_texts(row[place])[:_OF_A_ROW] for row in answer.rows]
    texts = list(dict.fromkeys(text for row in named for text in row))
    known = {row["text"]: row for row in library.rows("browse/ask/pictures", texts=texts)}
    found = []
    for row, of_row in zip(answer.rows, named, strict=True):
        said = [cell_of(value) for n, value in enumerate(row) if n != place and value is not None]
        for text in of_row:
            if text in known:
                image = known[text]
                says = ", ".join(each[:40] for each in said[:3])
                found.append(Picture(image["run_id"], image["key"], image["path"], says))
    return found[:_PICTURES]


def _texts(value: Any) -> list[str]:
    return [str(each) for each in (value if isinstance(value, list) else [value]) if each]
