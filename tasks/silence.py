"""No command is silent for long: where nothing else is said, a line says what is being done."""

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sortal.configs import TELL_AFTER, TELL_AFTER_VARIABLE

log = logging.getLogger("sortal")

_EVERY = 15.0  # seconds of silence before further lines
_LOOK = 0.5  # seconds between looks


class Silence:
    """What a command is doing, and since when it has said nothing; times are in seconds."""

    def __init__(self, command: str, now: float, first: float = TELL_AFTER) -> None:
        self._command, self._first = command, first
        self._begun = self._said = now
        self._doing = "at work"
        self._n_lines = self._n_bars = 0

    def doing(self, what: str) -> None:
        """What is done from now on, such as "loading the encoder"."""
        self._doing = what

    def broken(self, now: float) -> None:
        """Something was said."""
        self._said = now

    def count_bars(self, by: int) -> None:
        """Where a bar is shown, it says enough."""
        self._n_bars += by

    def line(self, now: float) -> str | None:
        """What is to be said now, if anything."""
        if self._n_bars or now - self._said < (_EVERY if self._n_lines else self._first):
            return None
        self._said = now
        self._n_lines += 1
        return f"sortal {self._command}: {self._doing}, {now - self._begun:,.0f} s so far"


_now: Silence | None = None  # of this process's command


@contextmanager
def watched(command: str) -> Iterator[None]:
    """Within the body, say on stderr what is being done after each long silence."""
    global _now  # noqa: PLW0603 - the terminal is the process's
    _now = Silence(command, time.monotonic(), _first())
    over = threading.Event()
    log.addFilter(_heard)
    threading.Thread(target=_watch, args=(_now, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()
        log.removeFilter(_heard)
        _now = None


def _first() -> float:
    """Seconds of silence before the first line; what is no number counts as not given."""
    with suppress(ValueError):
        return float(os.environ.get(TELL_AFTER_VARIABLE, TELL_AFTER))
    return TELL_AFTER


def doing(what: str) -> None:
    """Note what the command does from now on; nothing where none is watched."""
    if _now:
        _now.doing(what)


def unwatched() -> None:
    """From now on silence is right: a server waits, or a person is asked."""
    global _now  # noqa: PLW0603 - as above
    _now = None


@contextmanager
def under_a_bar() -> Iterator[None]:
    """The body shows a bar, which says enough."""
    silence = _now
    if silence:
        silence.count_bars(1)
    try:
        yield
    finally:
        if silence:
            silence.count_bars(-1)
            silence.broken(time.monotonic())


def _heard(_: logging.LogRecord) -> bool:
    if _now:
        _now.broken(time.monotonic())
    return True


def _watch(silence: Silence, over: threading.Event) -> None:
    while not over.wait(_LOOK) and silence is _now:
        if line := silence.line(time.monotonic()):
            _say(line)


def _say(line: str) -> None:
    """By the log where a command has set it up, which may be told to be quiet; else as it is."""
    if log.handlers:
        log.info("%s", line)
    else:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
