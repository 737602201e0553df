"""What the Python API raises for a mistake: one line, and no frames but the caller's."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

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
