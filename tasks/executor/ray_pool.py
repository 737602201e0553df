"""Workers on a Ray cluster: calls are handed out, and those of lost workers handed out again."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sortal.configs.errors import RunError
from sortal.configs.executor import RayConfig
from sortal.tasks.executor.node_folder import Home
from sortal.tasks.executor.travel import unpack
from sortal.tasks.executor.worker import Worker

log = logging.getLogger("sortal")

_LOOK = 0.5  # seconds between two looks at workers that are starting
_TOGETHER = 20.0  # seconds in which the workers of a run should all have started
_FAILED_STARTS = 5  # of workers in a row, after which no more is tried


class Handle:
    """A worker as the run sees it: starting, ready or gone; what it knows, and how much it has."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.starting: Any = actor.ready.remote()
        self.known: set[str] = set()
        self.busy = 0

    @property
    def is_ready(self) -> bool:
        """Whether it has started."""
        return self.starting is None


class Call(NamedTuple):
    """One call of a worker about shard or part `number`: `send(handle)` begins it."""

    number: int
    send: Callable[[Handle], Any]
    attempt: int = 1


class Pool:
    """As many workers as a run may have, each an actor; lost ones are replaced."""

    def __init__(self, ray: Any, home: Home, config: RayConfig, gpus: float) -> None:
        self._ray, self._home, self._config = ray, home, config
        self._remote = ray.remote(
            num_cpus=config.cpus, num_gpus=gpus, max_restarts=0, max_task_retries=0
        )(Worker)
        self.gpus = gpus
        self.count = self._wanted()
        self._failed, self._begun = 0, time.monotonic()
        self._handles: list[Handle] = []
        self._homes: dict[tuple[str, int], Handle] = {}

    def _wanted(self) -> int:
        """As configured, or as many as the cluster has room for now; at least one."""
        have = self._ray.cluster_resources()
        room = have.get("CPU", 0.0) // self._config.cpus
        if self.gpus:
            room = min(room, have.get("GPU", 0.0) // self.gpus)
        return self._config.workers or max(1, int(room))

    def _fill(self) -> None:
        """Start workers in place of those that are gone."""
        while len(self._handles) < self.count:
            self._handles.append(Handle(self._remote.remote(self._home)))

    def run(
        self, calls: Iterator[Call | None], depth: int = 2, holding: str = ""
    ) -> Iterator[tuple[int, Any]]:
        """(number, result) of each call, as they end.

        A worker has at most `depth` of them; where `calls` gives None, there are none to hand out
        yet. Those about parts of `holding` go to the workers that hold them. An error of the work
        ends all; whatever ends the iterator early, workers that were busy are ended, too.
        """
        waiting: deque[Call] = deque()
        running: dict[Any, tuple[Call, Handle]] = {}
        since = time.monotonic()
        try:
            while True:
                self._fill()
                for call, handle in self._handed_out(calls, waiting, depth, holding):
                    running[call.send(handle)] = call, handle
                if not running and not waiting:
                    return
                if any(handle.is_ready for handle in self._handles):
                    since = time.monotonic()
                self._check_patience(since)
                for ref in self._wait(running):
                    call, handle = running.pop(ref)
                    handle.busy -= 1
                    try:
                        result = self._ray.get(ref)
                    except self._ray.exceptions.RayTaskError as error:
                        raise _unforeseen(error) from None
                    except self._ray.exceptions.RayError as error:
                        self._lost(handle)
                        waiting.appendleft(self._again(call, error))
                    else:
                        yield call.number, unpack(result, self._home.token.parent).get()
        finally:
            for handle in {handle for _, handle in running.values()}:
                self._lost(handle)

    def _handed_out(
        self, calls: Iterator[Call | None], waiting: deque[Call], depth: int, holding: str
    ) -> Iterator[tuple[Call, Handle]]:
        """Calls, first those that are `waiting`, each with the worker that shall do it now."""
        while True:
            if not waiting:
                if (call := next(calls, None)) is None:
                    return
                waiting.append(call)
            handle = self._home_of(waiting[0], holding) if holding else self._idlest(depth)
            if handle is None:
                return
            handle.busy += 1
            yield waiting.popleft(), handle

    def _idlest(self, depth: int) -> Handle | None:
        """The worker with least to do; None where each has enough."""
        free = [handle for handle in self._handles if handle.is_ready and handle.busy < depth]
        return min(free, key=lambda handle: handle.busy, default=None)

    def _home_of(self, call: Call, holding: str) -> Handle | None:
        """The worker that holds the call's part: the one with fewest, where it is held by none."""
        key = holding, call.number
        if self._homes.get(key) not in self._handles:
            ready = [handle for handle in self._handles if handle.is_ready]
            if not ready or not self._settled(len(ready)):
                return None
            held = [home for (name, _), home in self._homes.items() if name == holding]
            self._homes[key] = min(ready, key=held.count)
        return self._homes[key]

    def _settled(self, n_ready: int) -> bool:
        """Whether all workers have started once, or have had the time to: parts are for all."""
        if n_ready == self.count or time.monotonic() - self._begun > _TOGETHER:
            self._begun = float("-inf")
        return self._begun == float("-inf")

    def _wait(self, running: dict[Any, Any]) -> list[Any]:
        """Calls that have ended; workers that have started meanwhile are noted."""
        starting = {h.starting: h for h in self._handles if h.starting is not None}
        every = [*running, *starting]
        if not every:
            time.sleep(_LOOK)
            return []
        done, _ = self._ray.wait(every, num_returns=1, timeout=_LOOK)
        for ref in done:
            if ref in starting:
                self._started(starting[ref])
        return [ref for ref in done if ref in running]

    def _started(self, handle: Handle) -> None:
        try:
            self._ray.get(handle.starting)
        except self._ray.exceptions.RayError as error:
            self._failed += 1
            if self._failed >= _FAILED_STARTS:
                raise RunError(f"a worker must start, got: {_line(error)}") from None
            self._lost(handle)
        else:
            handle.starting, self._failed = None, 0

    def _lost(self, handle: Handle) -> None:
        """A worker is gone, or must go."""
        if handle in self._handles:
            self._handles.remove(handle)
            self._end(handle)

    def _again(self, call: Call, error: Exception) -> Call:
        if call.attempt >= self._config.attempts:
            raise RunError(
                f"a shard must be done within ray.attempts={self._config.attempts}, got its worker "
                f"lost each time, most likely out of memory: {_line(error)}"
            )
        log.info("executor: a worker was lost, its shard is done again")
        return call._replace(attempt=call.attempt + 1)

    def _check_patience(self, since: float) -> None:
        if time.monotonic() - since > self._config.patience_seconds:
            wanted = f"{self._config.cpus:g} CPUs" + (f", {self.gpus:g} GPUs" if self.gpus else "")
            raise RunError(
                f"executor must have a worker with {wanted}, got none within ray.patience_seconds="
                f"{self._config.patience_seconds:g}; look at the cluster with `ray status`"
            )

    def forget(self, name: str) -> None:
        """Have workers drop what they learnt under a name."""
        self._homes = {key: home for key, home in self._homes.items() if key[0] != name}
        for handle in self._handles:
            if name in handle.known:
                handle.known.discard(name)
                handle.actor.forget.remote(name)

    def close(self) -> None:
        """End all workers."""
        for handle in self._handles:
            self._end(handle)
        self._handles = []

    def _end(self, handle: Handle) -> None:
        try:
            self._ray.kill(handle.actor)
        except Exception as error:  # the connection itself is gone, and with it the worker
            log.debug("executor: a worker could not be ended: %s", error)


def _unforeseen(error: Any) -> Exception:
    """An error outside of the work: a function or a shard that a worker could not read."""
    return RunError(f"a worker must be able to do its shard, got: {_line(error)}")


def _line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else type(error).__name__
