"""Which executor the current run has."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sortal.tasks.executor.base import Executor
from sortal.tasks.executor.local import LocalExecutor

_current: ContextVar[Executor | None] = ContextVar("executor", default=None)


def executor() -> Executor:
    """The executor of the current run; outside of any, this machine."""
    return _current.get() or LocalExecutor()


@contextmanager
def using(chosen: Executor) -> Iterator[None]:
    """Within the body, steps use this executor."""
    token = _current.set(chosen)
    try:
        yield
    finally:
        _current.reset(token)
