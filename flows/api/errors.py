"""What the Python API raises for a mistake: one line, and no frames but the caller's."""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sortal.configs.errors import RunError, UsageError

P = ParamSpec("P")
T = TypeVar("T")


def short_errors(function: Callable[P, T]) -> Callable[P, T]:
    """Decorator: raise UsageError and RunError without what led to them, such as Prefect's frames.

    Not a context manager: that would give an error its old frames back.
    """

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except (UsageError, RunError) as error:
            raise error.with_traceback(None) from None

    return called


def path_of(value: Any, name: str) -> Path:
    """A path that a caller gave as `name`, with `~` resolved; UsageError for anything else."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise UsageError(f"{name} must be a path, got {value!r}")
    return Path(value).expanduser()


def text_of(value: Any, name: str) -> str:
    """A text that a caller gave as `name`; UsageError for anything else."""
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{name} must be a text, got {value!r}")
    return value
