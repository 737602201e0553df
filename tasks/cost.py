"""What a step costs this process: seconds, CPU seconds and peak memory."""

import os
import resource
import threading
import time
from pathlib import Path
from typing import Self

_EVERY = 0.05  # seconds between two looks at the memory
_STATM = Path("/proc/self/statm")


class Meter:
    """Measures what happens inside its `with`; `figures()` afterwards.

    Memory is looked at now and then, except where the process as a whole reaches a new peak, of
    which the system knows exactly. Worker processes count in CPU seconds, not in memory.
    """

    def __enter__(self) -> Self:
        self._start, self._cpu, self._before = time.perf_counter(), _cpu(), _peak_mb()
        self._most = _resident_mb()
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._watch.join()
        self._seconds, self._cpu = time.perf_counter() - self._start, _cpu() - self._cpu
        whole = _peak_mb()
        self._most = whole if whole > self._before else max(self._most, _resident_mb())

    def figures(self) -> dict[str, float]:
        """`seconds` of wall time, `cpu_seconds` (user and system) and `peak_mb` (MiB)."""
        return {
            "seconds": round(self._seconds, 3),
            "cpu_seconds": round(self._cpu, 3),
            "peak_mb": self._most,
        }

    def _look(self) -> None:
        while not self._done.wait(_EVERY):
            self._most = max(self._most, _resident_mb())


def _cpu() -> float:
    return sum(os.times()[:4])


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _resident_mb() -> int:
    try:
        pages = int(_STATM.read_text().split()[1])
    except (OSError, IndexError, ValueError):  # a system without /proc: the process so far
        return _peak_mb()
    return pages * resource.getpagesize() >> 20
