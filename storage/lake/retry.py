"""Retries: two writers of one lake at once are no error, they take turns."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

import duckdb

from sortal.configs.errors import RunError, TransientError

T = TypeVar("T")
_ATTEMPTS = 30
_TRANSIENT = (
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
_UNREACHABLE = (
    "unable to connect",
    "connection refused",
    "could not connect",
    "server closed the connection",
    "connection reset",
    "starting up",
    "shutting down",
    "too many clients",
)


def retry(work: Callable[[], T]) -> T:
    """`work()`; on a conflict with other writers again, with growing random pauses.

    Raises TransientError when the lake stays busy or cannot be reached, RunError for the rest.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return work()
        except duckdb.Error as error:
            message = str(error).lower()
            if any(word in message for word in _UNREACHABLE) and "authentication" not in message:
                raise TransientError(f"the lake cannot be reached: {one_line(error)}") from error
            if not any(word in message for word in _TRANSIENT):
                raise RunError(f"the lake refused: {one_line(error)}") from error
            if attempt == _ATTEMPTS - 1:
                raise TransientError(
                    f"the lake stayed busy: {one_line(error)}; run again"
                ) from error
            time.sleep(random.uniform(0.01, min(2.0, 0.02 * 2**attempt)))
    raise AssertionError("unreachable")


def one_line(error: BaseException) -> str:
    """An error's message without the line breaks."""
    return " ".join(str(error).split())
