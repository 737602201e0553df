"""A run that is cancelled ends within seconds, also while its main thread is in a library."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_PATIENCE = 6.0  # seconds for Prefect's own end, which says what became of the run


@contextmanager
def ended_when_told() -> Iterator[None]:
    """While the body runs, SIGTERM ends this process within `_PATIENCE` seconds, at worst by kill.

    Python handles a signal only between two instructions, and a library may compute for minutes.
    A kill is safe: all that is kept is written whole or not at all, and the lease of a dead process
    is free.
    """
    if threading.current_thread() is not threading.main_thread() or os.name != "posix":
        yield
        return
    heard, told = os.pipe()
    os.set_blocking(told, False)
    before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    threading.Thread(target=_wait, args=(heard,), name="cancel", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)


def _wait(heard: int) -> None:
    while numbers := os.read(heard, 64):
        if signal.SIGTERM in numbers:
            time.sleep(_PATIENCE)
            os.kill(os.getpid(), signal.SIGKILL)
