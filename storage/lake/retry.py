"""Retries: writers of one lake take turns, and a run waits for a catalogue that is away."""

import logging
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import duckdb

from sortal.configs.errors import RunError, TransientError

log = logging.getLogger("sortal")

T = TypeVar("T")
SAY_EVERY = 20.0  # seconds
_ATTEMPTS = 30
_LONGEST_PAUSE = 5.0  # seconds, between two looks at a server that is away
_BUSY = (
    "conflict",
    "is locked",
    "already exists",
    "could not serialize",
    "deadlock",
    "lock timeout",
    "duplicate key",
    "unique constraint",
    "transaction is aborted",  # by another writer, while inlined rows were flushed
)
_REFUSED = re.compile(
    r"authentication failed|no password supplied|no pg_hba.conf entry|"
    r'(database|role|user) "[^"]*" does not exist|permission denied|certificate|'
    r"does not support ssl|invalid (port|sslmode|connection option|uri)|is not permitted to log in"
)
_ANSWERING = re.compile(  # a server that says itself that it will be there in a moment
    r"starting up|shutting down|recovery mode|not yet accepting|too many (clients|connections)|"
    r"slots are reserved|administrator command|crash of another server process"
)
_AWAY = re.compile(
    r"unable to connect|could not connect|connection (refused|reset|timed out|not open)|"
    r"closed the connection|connection to the server|connection has been closed|broken pipe|"
    r"could not (send|receive) data|eof detected|no route to host|unreachable|timeout expired|"
    r'could not translate host name|failed to execute query "rollback|' + _ANSWERING.pattern
)
_DISK = re.compile(  # SQLite's words and the system's
    r"disk is full|no space left|disk i/o error|readonly database|read-only file system|"
    r"unable to open database file"
)
_DAMAGED = re.compile(r"not a database|disk image is malformed")
_LIBPQ = re.compile(  # hints of libpq, several lines long
    r" (This probably means the server|Is the server running|HINT:|DETAIL:) .*"
)
_patience: ContextVar[float] = ContextVar("patience", default=0.0)
_AT_LEAST = 30.0  # seconds; for a server that answers, or a connection that there has been


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Within the body, wait for so long for a catalogue that cannot be reached."""
    token = _patience.set(seconds)
    try:
        yield
    finally:
        _patience.reset(token)


def retry(
    work: Callable[[], T], place: str = "the lake", again: Callable[[], object] | None = None
) -> T:
    """`work()`; again on a conflict with other writers, or when the connection was lost.

    `again()` is called before `work` after a lost connection, to connect anew. Raises
    TransientError when `place` stays busy or cannot be reached, RunError for the rest, and where
    `patience` has come to its end.
    """
    attempt, outage = 0, Outage(place)
    while True:
        try:
            if again and outage.since:
                again()
            return work()
        except duckdb.Error as error:
            if is_away(error):
                outage.wait(error)
                continue
            _refuse(error, place, attempt)
            time.sleep(random.uniform(0.01, min(2.0, 0.02 * 2**attempt)))
            attempt += 1


def _refuse(error: duckdb.Error, place: str, attempt: int) -> None:
    """Raise unless another writer was in the way, and a further try is left."""
    message = str(error).lower()
    if _REFUSED.search(message) and re.search(
        "unable to connect to postgres|execute query", message
    ):
        raise RunError(
            f"{place} refused: {reason(error)}; check the URL, the user and the database"
        ) from error
    if not any(word in message for word in _BUSY):
        raise RunError(_said(message, one_line(error))) from error
    if attempt == _ATTEMPTS - 1:
        raise TransientError(f"the lake stayed busy: {one_line(error)}; run again") from error


def _said(message: str, line: str) -> str:
    if _DISK.search(message):
        return (
            f"the lake must be on a disk that has room and can be written, got: {line}; mend that, "
            "and run the same command again: what is finished is kept"
        )
    if _DAMAGED.search(message):
        return (
            f"the lake's catalogue is damaged: {line}; put a back-up of the workspace in its place "
            "(`sortal backup`), or move its folder lake away: the next run begins a new history, "
            "and embeds nothing again"
        )
    return f"the lake refused: {line}"


class Outage:
    """A time during which `place` cannot be reached, from the first error on.

    One that there was a connection to, or that answers, is waited for _AT_LEAST seconds; any,
    within the body of `patience`, for that long.
    """

    def __init__(self, place: str) -> None:
        self.place, self._least = place, 0.0
        self.since = 0.0  # of the monotonic clock; 0: not yet
        self._said = self._pause = 0.0

    def wait(self, error: duckdb.Error) -> None:
        """Pause before another try, and say now and then that and why; raise when it is over."""
        now = time.monotonic()
        if not self.since:
            self.since, self._said, self._pause = now, now - SAY_EVERY + 1, 0.1
        message = str(error).lower()
        if "unable to connect" not in message or _ANSWERING.search(message):
            self._least = _AT_LEAST
        left = self.since + max(_patience.get(), self._least) - now
        if left <= 0:
            raise self._given_up(error, now - self.since) from error
        if now - self._said >= SAY_EVERY:
            self._said = now
            until = datetime.now(UTC) + timedelta(seconds=left)
            log.warning(
                "the run waits for %s, which cannot be reached: %s; for %.0f s so far, until "
                "%s UTC at most", self.place, reason(error), now - self.since, f"{until:%H:%M:%S}",
            )  # fmt: skip
        time.sleep(max(0.0, min(self._pause, left, self._said + SAY_EVERY - now)))
        self._pause = min(_LONGEST_PAUSE, self._pause * 2)

    def _given_up(self, error: duckdb.Error, waited: float) -> RunError:
        text = f"{self.place} cannot be reached: {reason(error)}"
        if not _patience.get():
            return TransientError(text)
        return RunError(f"{text}; waited {waited:.0f} s for it; run again, finished steps are kept")


def is_away(error: duckdb.Error) -> bool:
    """Whether the database is out of reach for now, rather than refusing or busy."""
    message = str(error).lower()
    return bool(_AWAY.search(message)) and not _REFUSED.search(message)


def reason(error: BaseException) -> str:
    """What PostgreSQL or libpq said, without the place that DuckDB puts before it."""
    text = _LIBPQ.sub("", one_line(error))
    for mark in ("FATAL: ", "ERROR: ", " failed: ", '": '):
        if mark in text:
            return text.rpartition(mark)[2].strip()
    return text


def one_line(error: BaseException) -> str:
    """An error's message without the line breaks, and without a filesystem's traceback."""
    return " ".join(str(error).partition("\n\nAt:\n")[0].split())
