"""Worker processes that run cells: each takes groups of cells, and one that dies is replaced."""

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

from sortal.configs.errors import RunError, UsageError
from sortal.configs.schema import RunConfig
from sortal.flows.recluster import cluster_images
from sortal.flows.run.context import Run, Steps
from sortal.flows.run.guard import clear_disk_errors
from sortal.storage.lake.retry import one_line
from sortal.storage.processes import Process, end_with, this_process
from sortal.storage.workspace import Workspace
from sortal.tasks.processes import without_main
from sortal.tasks.publishing.step import Clock

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Task(NamedTuple):
    """A run to be made: its cell and its settings.

    It publishes without asking for the lease: its parent holds it and it ends with its parent, and
    what stands alone may be published by two at once, for the second finds the first's run.
    """

    cell: str
    config: RunConfig


class Outcome(NamedTuple):
    """What a task came to: a run, or an error in one line."""

    cell: str
    run_id: str | None
    error: str | None
    seconds: float


def run_groups(
    groups: Iterable[list[Task]], jobs: int, threads: int, logs: Path
) -> Iterator[Outcome]:
    """Run all tasks in `jobs` processes of `threads` threads; yields outcomes as they come.

    The tasks of a group run in one process, in their order, so that each finds what those before
    it made. What workers say goes to files in `logs`.
    """
    waiting = deque(group for group in groups if group)
    slots = [_Slot(number, threads, logs) for number in range(min(jobs, len(waiting)))]
    try:
        while True:
            for slot in slots:
                slot.feed(waiting)
            busy = {slot.connection: slot for slot in slots if slot.busy and slot.connection}
            if not busy:
                return
            for ready in wait(list(busy)):
                yield busy[ready].take()  # type: ignore[index]
    finally:
        for slot in slots:
            slot.stop()


class _Slot:
    """A place for one worker process, and the tasks it has been given."""

    def __init__(self, number: int, threads: int, logs: Path) -> None:
        self._log = logs / f"worker-{number}.log"
        self._threads = threads
        self._todo: deque[Task] = deque()
        self._process: BaseProcess | None = None
        self.connection: Connection | None = None
        self.busy = False
        self._since = 0.0

    def feed(self, waiting: deque[list[Task]]) -> None:
        """Hand the worker its next task, from its group or from the next one, if it has none."""
        if self.busy:
            return
        if not self._todo and waiting:
            self._todo.extend(waiting.popleft())
        if self._todo:
            if self._process is None:
                self._start()
            assert self.connection
            self.connection.send(self._todo[0])
            self.busy, self._since = True, time.monotonic()

    def take(self) -> Outcome:
        """The outcome of the present task; that of one whose process died says so."""
        assert self.connection and self._process
        task = self._todo.popleft()
        self.busy = False
        seconds = time.monotonic() - self._since
        try:
            return self.connection.recv()  # type: ignore[no-any-return]
        except (EOFError, OSError):
            self._process.join()
            error = f"its process {_ended(self._process.exitcode)}; see {self._log}"
            self.stop()
        return Outcome(task.cell, None, error, seconds)

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.connection, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, self._log, this_process()))
        with without_main(), _environment(dict.fromkeys(_THREADS, str(self._threads))):
            self._process.start()
        theirs.close()

    def stop(self) -> None:
        """End the worker, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self.connection is not None:
            self.connection.close()
        self._process, self.connection = None, None


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was killed by signal {signal.Signals(-code).name}"
    return f"ended with status {code}"


def _serve(connection: Connection, log: Path, starter: Process) -> None:
    """Serve tasks until the starter exits: take a task, send its outcome."""
    end_with(starter)  # another benchmark may be on its way
    _redirect_output(log)
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(attempt(task))


def attempt(task: Task) -> Outcome:
    """What a task comes to in this process."""
    start = time.monotonic()
    run_id, error = _run(task)
    return Outcome(task.cell, run_id, error, time.monotonic() - start)


def _run(task: Task) -> tuple[str | None, str | None]:
    """The id of the task's run, or why there is none, in one line."""
    try:
        workspace = Workspace(task.config.workspace).create()
        with clear_disk_errors(task.config.workspace):
            clock = Clock(started_at=datetime.now(UTC))
            run = Run.begin(task.config, Steps(workspace))
            _, published = cluster_images(run, clock)
    except (UsageError, RunError) as error:
        return None, one_line(error)
    except Exception as error:  # whatever it is, the other cells go on
        logging.getLogger("sortal").exception("cell %s", task.cell)
        return None, f"{type(error).__name__}: {one_line(error)}"
    return published.facts["run_id"], None


def _redirect_output(log: Path) -> None:
    """Send all that this process prints to a file, for bars of many processes make a mess."""
    log.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(file, stream.fileno())
    logger = logging.getLogger("sortal")
    logger.setLevel(logging.INFO)
    logger.handlers = [logging.StreamHandler(sys.stderr)]
    logger.propagate = False
