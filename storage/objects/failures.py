"""Trying a request again, and one clear line where it fails for good."""

import errno
import random
import time
from collections.abc import Callable
from typing import TypeVar

from sortal.configs.errors import RunError, TransientError, with_causes
from sortal.storage.objects.causes import lacks_keys, status_of

T = TypeVar("T")
_ATTEMPTS = 4
PAUSE = 0.5  # seconds, doubled each time
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
_CLIENTS = {"aiobotocore", "aiohttp", "azure", "botocore", "fsspec", "gcsfs", "google", "s3fs"}
_BUSY = {408, 425, 429}


def tried(action: Callable[[], T], where: str) -> T:
    """What `action` gives; what may pass is tried again.

    Raises FileNotFoundError as it is, TransientError and RunError in one line about `where`.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return action()
        except (RunError, FileNotFoundError, FileExistsError):
            raise
        except Exception as error:
            if _is_ours(error):
                raise
            if attempt == _ATTEMPTS - 1 or not _may_pass(error):
                raise explained(error, where) from error
            time.sleep(PAUSE * 2**attempt * random.uniform(0.75, 1.25))
    raise AssertionError("a last attempt returns or raises")


def _status(error: BaseException) -> int | None:
    return next(filter(None, map(status_of, with_causes(error))), None)


def _is_ours(error: BaseException) -> bool:
    """Whether it is a mistake of the program's, or about the disk of this machine."""
    if isinstance(error, OSError | EOFError):
        return error.errno in _OF_THE_DISK if isinstance(error, OSError) else False
    return type(error).__module__.partition(".")[0] not in _CLIENTS


def _is_refused(error: BaseException) -> bool:
    return _status(error) in (401, 403) or any(
        isinstance(each, PermissionError) or lacks_keys(each) for each in with_causes(error)
    )


def _may_pass(error: BaseException) -> bool:
    status = _status(error)
    return not _is_refused(error) and (status is None or status >= 500 or status in _BUSY)


def explained(error: BaseException, where: str) -> RunError:
    """One line without anything secret: what is wrong with `where`, and the way out."""
    status = _status(error)
    if _is_refused(error):
        return RunError(
            f"{where} must be readable and writable with your credentials, and access was refused; "
            "set those of its provider, such as AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, or a role"
        )
    if isinstance(error, FileNotFoundError) or status == 404:
        return RunError(
            f"{where} must be in a bucket that exists, and it does not; make the bucket"
        )
    if status is None:
        own = where.startswith("s3")
        server = " and, for a server of your own, its endpoint (AWS_ENDPOINT_URL)" if own else ""
        return TransientError(
            f"{where} must be reachable, and there was no connection; check the network{server}; "
            "finished steps are kept"
        )
    kind = TransientError if _may_pass(error) else RunError
    return kind(f"{where} must answer, it did with the status {status}; try again later")
