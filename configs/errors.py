"""What the user can correct is one clear line, never a traceback; and paths as they are typed."""

import errno
import os
import urllib.error
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path


class UsageError(ValueError):
    """A value the user gave breaks a rule. The message says the rule, the value and the way out.

    The command line prints the message alone and exits with 2.
    """


def nearest(given: str, known: Iterable[str], usual: Iterable[str] = ()) -> list[str]:
    """Three names of `known` most like `given`; those of `usual` where few are like it at all."""
    plain = {_plain(name): name for name in known}
    close = get_close_matches(_plain(given), plain, 3, cutoff=0.6)
    rest = get_close_matches(_plain(given), map(_plain, usual), 6, cutoff=0.0)
    return [plain[name] for name in dict.fromkeys([*close, *rest])][:3]


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").strip()


def expanded(typed: str | os.PathLike[str]) -> Path:
    """A path with `~` as the home folder; raises UsageError for what can be no path."""
    if "\0" in os.fspath(typed):
        raise UsageError(f"a path must hold no zero byte, got {os.fspath(typed)!r}")
    try:
        return Path(typed).expanduser()
    except RuntimeError:  # no such user, or one without a home
        raise UsageError(
            f"a path may begin with ~ where that user has a home folder, got {os.fspath(typed)!r}; "
            "write the whole path, or ./ before a name that begins so"
        ) from None


class EmptyLakeError(UsageError):
    """A lake that may only be read holds no runs yet."""


class RunError(RuntimeError):
    """A run cannot go on (an empty collection, a full disk). Printed alone; exit status 1."""


class TransientError(RunError):
    """A RunError of a busy lake, a lost connection or the like: the same again may succeed."""


_NUMBERS = {
    errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.ESTALE, errno.ETIMEDOUT,
    errno.ECONNRESET, errno.ECONNREFUSED, errno.ECONNABORTED, errno.EPIPE, errno.EHOSTUNREACH,
    errno.ENETUNREACH, errno.ENETDOWN, errno.ENETRESET,
}  # fmt: skip


_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO}
_DISK_SAYS = ("no space left", "requested and", "read-only file system")  # numpy gives no number


def is_about_a_disk(error: OSError) -> bool:
    """Whether a disk is full, may not be written, or failed: a user can mend that."""
    text = str(error).lower()
    return error.errno in _DISK or any(words in text for words in _DISK_SAYS)


_CLIENTS = {"httpx", "httpcore", "requests", "urllib3"}  # their errors share no base class


_WORDS = ("timeout", "connect", "readerror", "writeerror", "protocolerror")


def is_transient(error: BaseException) -> bool:
    """Whether `error`, or what caused it, is of a disk, network or catalogue that may recover.

    A user's mistake never does, nor a full disk, a missing file or a refused permission.
    """
    return not isinstance(error, UsageError) and any(
        _is_transient(each) for each in with_causes(error)
    )


def with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from, or beside, each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code in {408, 429} or error.code >= 500
    if isinstance(error, urllib.error.URLError):
        return not isinstance(error.reason, BaseException) or _is_transient(error.reason)
    if isinstance(error, TransientError | ConnectionError | TimeoutError):
        return True
    if isinstance(error, OSError) and error.errno in _NUMBERS:
        return True
    client = type(error).__module__.split(".")[0] in _CLIENTS
    return client and any(word in type(error).__name__.lower() for word in _WORDS)


def counted(count: int, noun: str) -> str:
    """So many of a thing, as people say it: "1 image", "2,000 images", "0 boxes"."""
    return f"{count:,} {noun}{'' if count == 1 else 'es' if noun.endswith(('x', 's')) else 's'}"
