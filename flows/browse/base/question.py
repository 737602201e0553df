"""A visitor's SQL: one reading statement over a lake of its own, bounded in time, memory and rows.

The lake is closed to every file outside it and to every setting before the statement is seen.
"""

import csv
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.errors import RunError, UsageError
from sortal.flows.operations.query import answer, sql_errors
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace

SHOWN = 200  # rows
SECONDS = 15.0  # for an answer that is shown
_SECONDS_WHOLE = 600.0  # for one that is downloaded
_AT_ONCE = 2
_PATIENCE = 5.0  # seconds to wait for others' questions
_MEMORY, _DISK = "2GB", "4GB"
_BATCH = 20_000  # rows


class Column(NamedTuple):
    """A column of an answer; `kind` is `text`, `number`, `texts` or `other`."""

    name: str
    kind: str


class Answer(NamedTuple):
    """The first rows of an answer."""

    columns: list[Column]
    rows: list[tuple[Any, ...]]
    is_whole: bool
    seconds: float


@dataclass
class Questions:
    """Answers questions about a workspace, a few at a time."""

    workspace: Workspace
    seconds: float = SECONDS
    _turns: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_AT_ONCE))
    _downloads: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_AT_ONCE))

    def ask(self, query: str) -> Answer:
        """The first rows of an answer; UsageError in one line where there is none."""
        start = time.monotonic()
        with self._lake(self._turns, self.seconds) as lake:
            found = answer(lake, query)
            columns = [Column(name, _kind(str(of))) for name, of, *_ in found.description or []]
            rows = found.fetchmany(SHOWN + 1)
        return Answer(columns, rows[:SHOWN], len(rows) <= SHOWN, time.monotonic() - start)

    def csv(self, query: str) -> Iterator[bytes]:
        """A whole answer as CSV, in parts; lists and structs as JSON."""
        with self._lake(self._downloads, _SECONDS_WHOLE) as lake:
            found = answer(lake, query)
            rows: list[tuple[Any, ...]] = [tuple(name for name, *_ in found.description or [])]
            while rows:
                out = io.StringIO()
                writer = csv.writer(out, lineterminator="\n")
                writer.writerows(map(_plain, row) for row in rows)
                yield out.getvalue().encode()
                rows = found.fetchmany(_BATCH)

    def parquet(self, query: str) -> Iterator[bytes]:
        """A whole answer as Parquet, in parts."""
        with self._lake(self._downloads, _SECONDS_WHOLE) as lake:
            batches = answer(lake, query).to_arrow_reader(_BATCH)
            sink = _Sink()
            with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), batches.schema) as writer:
                for batch in batches:
                    writer.write_batch(batch)
                    yield sink.taken()
            yield sink.taken()

    @contextmanager
    def _lake(self, turns: threading.Semaphore, seconds: float) -> Iterator[Lake]:
        if not turns.acquire(timeout=_PATIENCE):
            raise RunError(f"{_AT_ONCE} questions are being answered; ask again in a moment")
        try:
            with Lake(self.workspace, read_only=True) as lake, _in_time(lake, seconds):
                lake.bound(_MEMORY, _DISK)
                lake.confine()
                with sql_errors():
                    yield lake
        finally:
            turns.release()


class _Sink(io.RawIOBase):
    """Keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: Any) -> int:
        """Keep `data`."""
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


@contextmanager
def _in_time(lake: Lake, seconds: float) -> Iterator[None]:
    late = threading.Event()

    def stop() -> None:
        late.set()
        lake.interrupt()

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (UsageError, duckdb.InterruptException):
        if late.is_set():
            raise UsageError(
                f"SQL: the answer must come within {seconds:g} s, and did not; "
                "`sortal sql` has no limit"
            ) from None
        raise
    finally:
        timer.cancel()


def _kind(of: str) -> str:
    name = of.upper().partition("(")[0]
    if name.endswith("[]") or "[]" in of:
        return "texts" if name.startswith("VARCHAR") else "other"
    if name in ("VARCHAR", "DATE", "BOOLEAN") or name.startswith("TIMESTAMP"):
        return "text"
    return "number" if name.endswith("INT") or name in _NUMBERS else "other"


_NUMBERS = ("INTEGER", "UINTEGER", "DOUBLE", "FLOAT", "DECIMAL")


def _plain(value: Any) -> Any:
    nested = isinstance(value, list | dict)
    return json.dumps(value, default=str, ensure_ascii=False) if nested else value
