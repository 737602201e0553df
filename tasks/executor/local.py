"""The machine itself as an executor: the calling process, and threads and processes of its own."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor as Pool
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

from sortal.storage.processes import end_with, this_process
from sortal.storage.rows import Rows
from sortal.tasks.executor.base import Decoders, How, Part, Work
from sortal.tasks.processes import without_main

Shard = TypeVar("Shard")
Result = TypeVar("Result")
State = TypeVar("State")

_AHEAD = 8  # shards that wait for each process or thread


class LocalExecutor:
    """Does shards in this process, or in as many threads or processes as a step asks for."""

    n_workers = 1

    def decoders(self, processes: int) -> Decoders:
        """Processes, as many as configured."""
        return Decoders(processes=processes)

    def map(self, work: Work[Shard, Result], shards: Sequence[Shard], how: How) -> Iterator[Result]:
        """`work` of each shard, in order."""
        if how.processes > 1 or how.threads > 1:
            yield from _spread(work, shards, how)
        elif over := getattr(work, "over", None):
            yield from over(shards)
        else:
            yield from map(work, shards)

    def parts(self, rows: Rows) -> list[Part] | None:
        """None: threads share the rows of one process."""
        return None

    @contextmanager
    def hold(self, make: Callable[[Part], State], parts: Sequence[Part]) -> Iterator["_Here"]:
        """Hold the parts in this process."""
        yield _Here([make(part) for part in parts])


class _Here:
    def __init__(self, states: list[Any]) -> None:
        self._states = states

    def reduce(self, function: Callable[..., Result], *arguments: Any) -> list[Result]:
        return [function(state, *arguments) for state in self._states]


def _spread(work: Work[Shard, Result], shards: Sequence[Shard], how: How) -> Iterator[Result]:
    count = how.processes or how.threads
    with _pool(how) as pool:
        waiting: deque[Future[Result]] = deque()
        for shard in shards:
            with without_main():
                waiting.append(pool.submit(work, shard))  # starts the processes
            if len(waiting) > _AHEAD * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _pool(how: How) -> AbstractContextManager[Pool]:
    if not how.processes:
        return ThreadPoolExecutor(how.threads, "shard")
    # Spawned, not forked: the caller may hold threads (Prefect's, BLAS's) that a fork would freeze.
    starter = (this_process(),)
    return ProcessPoolExecutor(
        how.processes, get_context("spawn"), initializer=end_with, initargs=starter
    )
