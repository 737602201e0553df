"""Paths that users type."""

import os
from pathlib import Path

from sortal.configs.errors import UsageError


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
