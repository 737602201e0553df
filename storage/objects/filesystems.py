"""The filesystem behind a URL: the package that reads its scheme, opened once a process."""

import json
import os
import threading
from collections.abc import Mapping
from typing import Any

from sortal.configs.errors import UsageError

EXTRAS = {
    "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure",
    "abfss": "azure", "adl": "azure",
}  # fmt: skip
_CONNECT = 5  # seconds
_opened: dict[str, Any] = {}
_lock = threading.Lock()


def scheme_of(url: str) -> str:
    """The scheme in small letters: "s3"."""
    return url.partition("://")[0].lower()


def client_options(scheme: str, timeout: float, at_once: int) -> dict[str, Any]:
    """No listing is kept, since each asks anew, and no client waits for longer than `timeout` s."""
    found: dict[str, Any] = {"use_listings_cache": False}
    if EXTRAS.get(scheme) == "s3":
        times = {"connect_timeout": _CONNECT, "read_timeout": timeout}
        pool = {"max_pool_connections": max(10, at_once)}
        found["config_kwargs"] = {**times, **pool, "retries": {"max_attempts": 0}}
    return found


def opened(scheme: str, options: Mapping[str, Any], what: str, way_out: str) -> Any:
    """fsspec's filesystem of a scheme: one a process, and not, as fsspec would have it, a thread.

    Raises UsageError, in the words `what` and `way_out`, where its package, or what it needs to
    begin, is missing.
    """
    key = f"{os.getpid()} {scheme} {json.dumps(options, sort_keys=True, default=str)}"
    with _lock:
        if key not in _opened:
            _opened[key] = _open(scheme, options, what, way_out)
        return _opened[key]


def _open(scheme: str, options: Mapping[str, Any], what: str, way_out: str) -> Any:
    try:
        import fsspec

        fs = fsspec.filesystem(scheme, skip_instance_cache=True, **options)
    except ImportError:
        raise UsageError(
            f"{what} needs a package that is not installed; pip install "
            f'"sortal[{EXTRAS.get(scheme, "remote")}]"'
        ) from None
    except (ValueError, TypeError):
        raise UsageError(
            f"{what} needs an account and credentials; set those of its provider, "
            f"such as AZURE_STORAGE_ACCOUNT_NAME{way_out}"
        ) from None
    fs.retries = 1  # of s3fs: who calls it tries again, by one rule for all
    return fs
