"""How a Ray cluster is asked again; that it is connected to at all is what other files show."""

import pytest

from sortal.tasks.executor.ray_connect import patiently

_BUSY = "Initialization failure from server:\nStarting Ray client server failed. See a log"
_SLOW = "Initialization failure from server:\nProxy failed to Connect to backend! Check a log"


def asked(*answers: str) -> int:
    """How often a head is asked whose first answers are errors of these texts."""
    left, times = list(answers), 0

    def connects() -> None:
        nonlocal times
        times += 1
        if left:
            raise ConnectionAbortedError(left.pop(0))

    patiently(connects)
    return times


def test_a_head_that_is_too_busy_is_asked_again(caplog):
    assert asked() == 1
    assert asked(_BUSY, _SLOW) == 3
    assert caplog.messages == ["the head of the Ray cluster is busy; asked again"] * 2


@pytest.mark.parametrize("answers", [("versions differ",), (_BUSY, _SLOW, _BUSY)])
def test_another_error_and_a_head_that_stays_busy_are_errors(answers):
    with pytest.raises(ConnectionError):
        asked(*answers)
