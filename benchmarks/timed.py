"""Times of work on a device, and the lines of a Markdown table that they become."""

import time
from collections.abc import Callable
from typing import Any

import torch


class Bench:
    """Times on a device, and the lines of the table."""

    def __init__(self, device: str, limit: float) -> None:
        self.device = device
        self.lines: list[tuple[str, str, str]] = []
        self._end = time.monotonic() + limit

    def has_time(self, what: str) -> bool:
        """Whether there is time for more; where there is not, a line says what is left out."""
        if time.monotonic() > self._end:
            self.line(what, "left out, the time was up")
            return False
        return True

    def seconds(self, work: Callable[[], Any], repeats: int = 3) -> float:
        """The least seconds of some tries, after one that does not count."""
        times = []
        for _ in range(repeats + 1):
            self._wait()
            start = time.perf_counter()
            work()
            self._wait()
            times.append(time.perf_counter() - start)
        return min(times[1:])

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def line(self, what: str, figure: str, ratio: str = "") -> None:
        """A line of the table, shown at once."""
        self.lines.append((what, figure, ratio))
        print(f"| {what} | {figure} | {ratio} |", flush=True)
