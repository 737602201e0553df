"""Progress of long work: a bar on a terminal, else a line in the log now and then."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

log = logging.getLogger("sortal")

_EVERY = 10.0  # seconds between log lines


class Advance(Protocol):
    """Says that `n` more units are done; `note` is shown beside the description."""

    def __call__(self, n: int, note: str = "") -> None:
        """Count them."""


@contextmanager
def progress(description: str, total: int, unit: str = "rows") -> Iterator[Advance]:
    """Yield `advance(n)`, to be called after each `n` of `total` units are done."""
    if sys.stderr.isatty():
        with _bar(description, total, unit) as advance:
            yield advance
    else:
        yield _log_lines(description, total, unit)


@contextmanager
def _bar(description: str, total: int, unit: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), unit, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=total)

        def advance(n: int, note: str = "") -> None:
            bar.update(task, advance=n, description=f"{description} {note}".rstrip())

        yield advance


def _log_lines(description: str, total: int, unit: str) -> Advance:
    start = last = time.monotonic()
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
