"""What a network's errors mean, and trying again what may pass."""

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from sortal.configs.errors import RunError, TransientError, UsageError, with_causes
from sortal.configs.remote import RemoteConfig
from sortal.storage.objects.causes import lacks_keys, status_of
from sortal.tasks.errors import Code, ImageError

T = TypeVar("T")
CONTACT = 8.0  # seconds in which a server must answer the first request
_LONGEST = 20.0  # seconds of a pause, also where a server asks for more
_IN_A_ROW = 8  # files without an answer: their server is down
_down: dict[str, int] = {}  # server -> files in a row without an answer


def code_of(error: BaseException) -> Code:
    """What an error of a filesystem or client means; a code that `may_pass` is worth a retry."""
    for each in with_causes(error):
        if isinstance(each, ImageError):
            return each.code
        status = status_of(each)
        if status is not None and status >= 400:
            return Code.of_status(status)
        if isinstance(each, FileNotFoundError):
            return Code.MISSING
        if isinstance(each, PermissionError) or lacks_keys(each):
            return Code.HTTP_403
    return Code.UNREACHABLE


def retried(action: Callable[[], T], settings: RemoteConfig) -> T:
    """What `action` gives; raises ImageError once the retries are used up, or make no sense."""
    for attempt in range(settings.retries + 1):
        try:
            return action()
        except (UsageError, RunError, MemoryError):
            raise
        except Exception as error:
            code = code_of(error)
            if attempt == settings.retries or not code.may_pass or code == Code.CHANGED:
                raise error if isinstance(error, ImageError) else ImageError(code) from None
            time.sleep(_pause(error, attempt, settings))
    raise AssertionError("a last attempt returns or raises")


def is_down(server: str) -> bool:
    """Whether the last files from a server got no answer, so that the next is not waited for."""
    return _down.get(server, 0) >= _IN_A_ROW


def answered(server: str, code: Code | None) -> None:
    """Note that a server gave a file, or failed with `code` after every retry."""
    _down[server] = _down.get(server, 0) + 1 if code == Code.UNREACHABLE else 0


def _pause(error: BaseException, attempt: int, settings: RemoteConfig) -> float:
    wanted = getattr(error, "retry_after", 0.0) or 0.0
    ours = settings.backoff * 2**attempt * random.uniform(0.75, 1.25)
    return min(max(wanted, ours), _LONGEST)


def contacted(action: Callable[[], T], where: str) -> T:
    """What `action` gives; RunError where it takes more than CONTACT seconds, or fails.

    It runs in a thread of its own, since some clients wait for minutes.
    """
    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(action())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(CONTACT)
    if found:
        return found[0]
    raise unreadable(failed[0], where) if failed else silent(where)


def silent(where: str) -> TransientError:
    """That a server does not answer."""
    return TransientError(
        f"{where} must answer, it did not for {CONTACT:.0f} s; check {_what_to_check(where)}"
    )


def _what_to_check(where: str) -> str:
    own = where.startswith(("s3://", "s3a://"))
    server = " and, for a server of your own, its endpoint (AWS_ENDPOINT_URL)" if own else ""
    return f"the network{',' if own else ' and'} the address{server}"


def unreadable(error: BaseException, where: str) -> Exception:
    """Why nothing can be read from `where`, as one line without anything secret."""
    if isinstance(error, UsageError | RunError):
        return error
    code = code_of(error)
    if code in (Code.MISSING, Code.HTTP_404):
        return UsageError(f"source must exist, got {where}, where nothing is; check its name")
    if code == Code.HTTP_403:
        return RunError(
            f"{where} must be readable with your credentials, and access was refused; set those of "
            "its provider, or --set images.remote.secret_block=NAME, or, for a public bucket, "
            "--set images.remote.anonymous=true"
        )
    if code == Code.UNREACHABLE:
        return TransientError(
            f"{where} must be reachable, and there was no connection; check {_what_to_check(where)}"
        )
    kind = TransientError if code.may_pass else RunError
    return kind(f"{where} must be readable, got: {code.meaning}; try again later")
