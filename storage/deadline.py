"""A question that is given up after so many seconds, whatever it waits for."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, ask: Callable[[], T]) -> T:
    """What `ask()` returns or raises; TimeoutError after `seconds`.

    For what has no limit of its own: the resolution of a name, an answer that comes in drips. The
    question itself goes on in a daemon thread, so it must hold nothing that others need.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    Thread(target=run, name="within", daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError as error:
        if answer.done():  # the question's own
            raise
        raise TimeoutError(f"no answer within {seconds:g} s") from error
