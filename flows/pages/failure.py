"""How a flow under a worker ends: a person's or a disk's fault is one line, and no traceback."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from prefect.client.schemas.objects import State
from prefect.states import Failed

from sortal.configs.errors import RunError, UsageError
from sortal.flows.pages.cancel import ended_when_told

P = ParamSpec("P")
T = TypeVar("T")
PLAIN = (UsageError, RunError, OSError)  # what their line says is all that there is to say


def under_prefect(function: Callable[P, T]) -> Callable[P, T | State]:
    """Decorator of a deployed flow: what is plain becomes the message of a failed state.

    Cancelling ends it within seconds.
    """

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T | State:
        try:
            with ended_when_told():
                return function(*args, **kwargs)
        except PLAIN as error:
            return Failed(message=" ".join(str(error).split()) or type(error).__name__)

    return called
