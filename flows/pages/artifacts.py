"""What a run shows in Prefect's pages: Markdown and tables, which never fail the run."""

import hashlib
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.context import FlowRunContext

from sortal.configs import REPORTS_VARIABLE
from sortal.flows.pages.text import markdown

log = logging.getLogger("sortal")
_SIMPLE = re.compile(r"[A-Za-z0-9 ._-]*")


def shown() -> bool:
    """Whether there are pages: a flow is running under Prefect."""
    return FlowRunContext.get() is not None


def post_text(kind: str, name: str, text: str, about: str) -> None:
    """Show Markdown, where a flow is running under Prefect."""
    _post(create_markdown_artifact, kind, name, about, markdown=text)


def post_table(kind: str, name: str, rows: list[dict[str, Any]], about: str) -> None:
    """Show rows as a table, where a flow is running under Prefect; nothing for no rows."""
    if rows:
        table = [{key: _cell(value) for key, value in row.items()} for row in rows]
        _post(create_table_artifact, kind, name, about, table=table)


def link_to(report: Path) -> str:
    """A Markdown link to a report where reports are served, else its path: no page opens files."""
    base = os.environ.get(REPORTS_VARIABLE, "").strip().rstrip("/")
    if base:
        return f"[Report]({base}/{quote(report.name)})"
    return f"Report: {markdown(report)}"


def _post(create: Callable[..., Any], kind: str, name: str, about: str, **content: Any) -> None:
    if not shown():
        return
    try:
        create(key=_key(kind, name), description=markdown(about), **content)
    except Exception as error:
        log.warning("Prefect does not show the %s: %s", kind, " ".join(str(error).split()))


def _key(kind: str, name: str) -> str:
    """An artifact's key: lower case, digits and dashes, another for every name."""
    text = f"{kind} {name}"
    key = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if _SIMPLE.fullmatch(name):
        return key
    return f"{key}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(map(markdown, value))
    return markdown(value) if isinstance(value, str) else value
