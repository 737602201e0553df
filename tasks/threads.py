"""Threads: blocks of rows worked on in parallel, results in the blocks' order.

Each thread runs torch with one thread of its own: no barrier between threads, and the same bits
whatever their number.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def one_thread(wanted: bool) -> Iterator[None]:
    """Inside, torch has one thread for what this thread calls, where that is wanted.

    For many small calls: at the barrier after each, threads wait longer than they work, and on a
    busy machine they take the time of others.
    """
    count = torch.get_num_threads()
    if wanted:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(count)


class ThreadPool:
    """A context manager: as many threads as torch has; on an accelerator the caller's alone."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self._count = torch.get_num_threads() if device == "cpu" else 0
        self._local = threading.local()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> "ThreadPool":
        if self._count:
            self._pool = ThreadPoolExecutor(self._count, "block", lambda: torch.set_num_threads(1))
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def buffer(self, n_rows: int, n_columns: int) -> torch.Tensor:
        """The calling thread's own float32 buffer of this shape; its contents are arbitrary."""
        held = getattr(self._local, "buffer", None)
        if held is None or held.numel() < n_rows * n_columns:
            held = torch.empty(n_rows * n_columns, device=self.device)
            self._local.buffer = held
        return held[: n_rows * n_columns].view(n_rows, n_columns)

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """`function` of each item, in order; at most two items a thread are read ahead."""
        if self._pool is None:
            yield from map(function, items)
            return
        waiting: deque[Future[Any]] = deque()
        for item in items:
            waiting.append(self._pool.submit(function, item))
            if len(waiting) > 2 * self._count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
