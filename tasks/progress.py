"""Progress of long work: a bar on a terminal or in a notebook, else a log line now and then."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Protocol

from sortal.tasks.published_progress import published
from sortal.tasks.silence import doing, under_a_bar

log = logging.getLogger("sortal")

_EVERY = 10.0  # seconds between log lines
_FIRST = 5.0  # seconds before the first of them
_REDRAW = 0.5  # seconds between changes of a notebook's line, and before it appears

_listener: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


class Advance(Protocol):
    """Says that `n` more units are done; `note` is shown after the description."""

    def __call__(self, n: int, note: str = "") -> None:
        """Count them."""


@contextmanager
def progress(description: str, total: int, unit: str) -> Iterator[Advance]:
    """Yield `advance(n)`, to be called after each `n` of `total` units are done."""
    doing(description)
    with _shown(description, total, unit) as show, published(description, total) as count:

        def advance(n: int, note: str = "") -> None:
            show(n, note)
            count(n)

        yield advance


@contextmanager
def told_to(listener: Callable[[str], None]) -> Iterator[None]:
    """Within the body, and in this thread, tell `listener` a line at every step forward."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def _shown(description: str, total: int, unit: str) -> AbstractContextManager[Advance]:
    if listener := _listener.get():
        return nullcontext(_told(listener, description, total, unit))
    if sys.stderr.isatty():
        return _bar(description, total, unit)
    if in_notebook():
        return _cell(description, total, unit)
    return nullcontext(_log_lines(description, total, unit))


def in_notebook() -> bool:
    """Whether the code runs in a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


@contextmanager
def _bar(description: str, total: int, unit: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), unit, TimeRemainingColumn())
    bars = Progress(*columns, console=Console(stderr=True), transient=True)
    with under_a_bar(), bars as bar:
        task = bar.add_task(description, total=total)

        def advance(n: int, note: str = "") -> None:
            bar.update(task, advance=n, description=f"{description} {note}".rstrip())

        yield advance


@contextmanager
def _cell(description: str, total: int, unit: str) -> Iterator[Advance]:
    """A line in the notebook's cell that is rewritten in place; none for work done at once.

    rich's bar needs ipywidgets, and leaves nothing in a notebook that is run unattended.
    """
    from IPython.display import display

    start = drawn = time.monotonic()
    done, line = 0, None

    def draw(text: str) -> None:
        nonlocal line, drawn
        drawn = time.monotonic()
        shown = {"text/plain": text}
        if line is None:
            line = display(shown, raw=True, display_id=True)
        else:
            line.update(shown, raw=True)

    def advance(n: int, note: str = "") -> None:
        nonlocal done
        done += n
        now = time.monotonic()
        if now - drawn >= _REDRAW:
            text = describe(description, done, total, unit, now - start)
            draw(f"{text}; {note}" if note else text)

    yield advance
    if line is not None:
        draw(f"{description}: {done:,} {unit} in {time.monotonic() - start:,.0f} s")


def _told(listener: Callable[[str], None], description: str, total: int, unit: str) -> Advance:
    done = 0

    def advance(n: int, note: str = "") -> None:
        nonlocal done
        done += n
        listener(f"{description}: {done:,} of {total:,} {unit}")

    return advance


def _log_lines(description: str, total: int, unit: str) -> Advance:
    start = time.monotonic()
    last = start + _FIRST - _EVERY
    done = 0

    def advance(n: int, note: str = "") -> None:
        nonlocal done, last
        done += n
        now = time.monotonic()
        if now - last >= _EVERY:
            last = now
            line = describe(description, done, total, unit, now - start)
            log.info("%s%s", line, f"; {note}" if note else "")

    return advance


def describe(description: str, done: int, total: int, unit: str, seconds: float) -> str:
    """One line with rate and time left: `scanning: 5,000 of 9,000 files, 50/s, 80 s left`."""
    rate = done / max(seconds, 1e-9)
    left = (total - done) / max(rate, 1e-9)
    return f"{description}: {done:,} of {total:,} {unit}, {rate:,.0f}/s, {left:,.0f} s left"
