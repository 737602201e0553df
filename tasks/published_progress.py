"""Progress of long work in Prefect's pages, sent beside the work and never in its way."""

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

log = logging.getLogger("sortal")
_EVERY = 10.0  # seconds between two reports, and before the first: shorter work has none
_PATIENCE = 2.0  # seconds for the last report

_unseen: set[str] = set()
Count = Callable[[int], None]


@contextmanager
def published(description: str, total: int) -> Iterator[Count]:
    """Yield `count(n)`, which is told of each `n` of `total` that are done.

    Only a flow run on a server that stays has pages. A server that is away costs nothing: a thread
    reports, and gives up. A run that is suspended ends at the next `count`, by Prefect's Pause.
    """
    context = _flow_run()
    if context is None:
        yield lambda _: None
        return
    done, ended = 0, threading.Event()

    def count(n: int) -> None:
        nonlocal done
        done += n
        context.flow_run_suspension_request.raise_if_requested()

    def report() -> None:
        artifact = None
        while not (last := ended.wait(_EVERY)) or artifact:
            artifact = _send(artifact, description, 100.0 * done / max(total, 1))
            if last:
                return

    thread = threading.Thread(target=copy_context().run, args=(report,), daemon=True)
    thread.start()
    try:
        yield count
    finally:
        ended.set()
        thread.join(_PATIENCE)


def _flow_run() -> Any:
    """Prefect's context of the flow run that this is in, on a server that stays; else None."""
    if "prefect.context" not in sys.modules:
        return None
    from prefect.context import FlowRunContext

    return FlowRunContext.get() if has_pages() else None


def has_pages() -> bool:
    """Whether Prefect is imported, and talks to a server whose pages somebody may look at."""
    if "prefect" not in sys.modules:
        return False
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    return bool(url) and str(url) not in _unseen


def nobody_looks_at(url: str) -> None:
    """The server at `url` ends with this process, so nothing need be shown there."""
    _unseen.add(url)


def _send(artifact: Any, description: str, percent: float) -> Any:
    """The artifact's id after a report, or the one before where the server did not take it."""
    from prefect.artifacts import create_progress_artifact, update_progress_artifact

    try:
        if artifact is None:
            return create_progress_artifact(progress=percent, description=description)
        update_progress_artifact(artifact, progress=percent)
    except Exception as error:
        log.debug("no progress in Prefect's pages: %s", error)
    return artifact
