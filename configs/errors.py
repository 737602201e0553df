"""Errors that the user can correct: one clear line, never a traceback."""

import errno
import urllib.error
from collections.abc import Iterator


class UsageError(ValueError):
    """A value the user gave breaks a rule. The message says the rule, the value and the way out.

    The command line prints the message alone and exits with 2.
    """


class RunError(RuntimeError):
    """A run cannot go on (an empty collection, a full disk). Printed alone; exit status 1."""


class PassingError(RunError):
    """A RunError that may be gone in a minute (a busy lake, a lost connection): worth a retry."""


_NUMBERS = {
    errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.ESTALE, errno.ETIMEDOUT,
    errno.ECONNRESET, errno.ECONNREFUSED, errno.ECONNABORTED, errno.EPIPE, errno.EHOSTUNREACH,
    errno.ENETUNREACH, errno.ENETDOWN, errno.ENETRESET,
}  # fmt: skip


_CLIENTS = {"httpx", "httpcore", "requests", "urllib3"}  # their errors share no base class


_WORDS = ("timeout", "connect", "readerror", "writeerror", "protocolerror")


def may_pass(error: BaseException) -> bool:
    """Whether `error`, or what caused it, is of a disk, network or catalogue that may recover.

    A user's mistake never does, nor a full disk, a missing file or a refused permission.
    """
    return not isinstance(error, UsageError) and any(_passing(each) for each in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _passing(error: BaseException) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code in {408, 429} or error.code >= 500
    if isinstance(error, urllib.error.URLError):
        return not isinstance(error.reason, BaseException) or _passing(error.reason)
    if isinstance(error, PassingError | ConnectionError | TimeoutError):
        return True
    if isinstance(error, OSError) and error.errno in _NUMBERS:
        return True
    client = type(error).__module__.split(".")[0] in _CLIENTS
    return client and any(word in type(error).__name__.lower() for word in _WORDS)
