"""Ctrl-C, SIGTERM and a closed terminal end a command at once, whatever it is doing.

The signals are blocked in every thread but one, which waits for them: so they are seen while the
main thread is in a library, and no handler of Prefect's starts a shutdown of its own beside this
one. The thread says one line, does what cannot wait, ends every process that this one has started,
and then this one. That is as safe as kill -9: all that Sortal keeps is written whole or not at all.
A process that Prefect started, or a user's script, is not ended so.
"""

import faulthandler
import os
import signal
import sys
import threading
import time
from contextlib import suppress

from sortal.storage.processes import adopt_orphans, descendants
from sortal.storage.stopping import last_works

_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
_LINE = b"sortal: stopped; run the same command again to go on\n"
_SHOW_CURSOR = b"\r\x1b[2K\x1b[?25h"  # a progress bar hides it; its line goes, too
_PATIENCE = 0.8  # seconds for what cannot wait
_ENOUGH = 3.0  # seconds for the processes: a killed one takes a while on a busy machine
_LIMIT = 5.0  # seconds for all of it

_ending = threading.Lock()
_installed = False


def end_on_signals() -> None:
    """From now on signals end this process; call it once, in the main thread, first of all.

    One that the caller has had ignored (nohup, a job in the background) stays ignored.
    """
    global _installed  # noqa: PLW0603 - signals are the process's
    if _installed or threading.current_thread() is not threading.main_thread():
        return
    _installed = True
    awaited = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in awaited:  # where a library has unblocked it
        signal.signal(number, lambda got, _: _end(got))
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
        threading.Thread(target=lambda: _end(signal.sigwait(awaited)), daemon=True).start()


def hold_still_if_stopped() -> None:
    """Do not return once a stop has begun: the main thread has nothing more to say."""
    while _ending.locked():
        time.sleep(1)


def _end(number: int) -> None:
    if not _ending.acquire(blocking=False):
        hold_still_if_stopped()
    try:
        _end_by_force_after(_LIMIT)
        _say()
        _do_last_works()
        _end_processes()
    finally:
        os._exit(128 + number)


def _end_by_force_after(seconds: float) -> None:
    """Exit with status 1 then, whatever holds Python's own lock; no thread of Python does that."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)


def _say() -> None:
    """Print the line, the last one of this process: what other threads print goes nowhere."""
    with suppress(OSError):  # the terminal is closed
        screen = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        os.write(screen, (_SHOW_CURSOR if os.isatty(screen) else b"") + _LINE)


def _do_last_works() -> None:
    threads = [threading.Thread(target=work, daemon=True) for work in last_works()]
    end = time.monotonic() + _PATIENCE
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))


def _end_processes() -> None:
    """Kill what this process started, and what that started, until nothing of it is left.

    But for multiprocessing's tracker, which removes what the killed leave in shared memory, and
    ends by itself.
    """
    adopt_orphans()
    module = sys.modules.get("multiprocessing.resource_tracker")
    tracker = getattr(getattr(module, "_resource_tracker", None), "_pid", None)
    end = time.monotonic() + _ENOUGH
    while time.monotonic() < end:
        found = [pid for pid in descendants(os.getpid()) if pid != tracker]
        if not found:
            return
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
