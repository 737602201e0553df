"""Being told to stop: what must still be done within a second, and who is not told."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Work = Callable[[], object]

_FROM_TERMINALS = {getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)}
_last_works: dict[object, Work] = {}


@contextmanager
def when_stopped(work: Work) -> Iterator[None]:
    """Have `work()` done by whoever ends this process at once while the body runs.

    It is called in a thread of its own, with others beside it, and may be cut short.
    """
    token = object()
    _last_works[token] = work
    try:
        yield
    finally:
        _last_works.pop(token, None)


def last_works() -> list[Work]:
    """What is to be done before this process ends."""
    return list(_last_works.values())


@contextmanager
def terminal_signals_kept() -> Iterator[None]:
    """Processes that this thread starts inside never see Ctrl-C or a closed terminal.

    The one that started them decides what then becomes of them; it may do that by SIGTERM. They
    inherit the mask of blocked signals, whatever they set up.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FROM_TERMINALS)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
