"""What pages are made of: lakes that are open for reading, and runs that are open for looking.

Answers of the lake are kept while nobody writes to it: `meta` counts what was written. A page that
we wrote is seen at once, and what another process wrote within a second.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Semaphore
from typing import TYPE_CHECKING, Any

from sortal.configs.looks import LooksConfig
from sortal.flows.browse.base.making import Making
from sortal.flows.browse.base.points import Points
from sortal.flows.browse.base.question import Questions
from sortal.flows.browse.held.kept import Kept
from sortal.flows.browse.held.seeker import Seeker
from sortal.flows.browse.held.shown import Shown
from sortal.flows.browse.held.uploads import Uploads
from sortal.flows.browse.held.vectors import RunVectors
from sortal.flows.operations.find import Shelf
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.runs import newest_run, run_of
from sortal.storage.lake.sql import sql
from sortal.storage.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

_LAKES = 4  # that are open at once: each answers one question at a time
_SHELVES = 8  # runs that are open at once
_MAPS = 2  # that are held: 100 MB each for a million images
_COUNTS = 1000  # of lists that are remembered: a run does not change
_VECTORS = 3  # runs whose keys are in memory: 40 MB a million images, and twice that for lists
_ANSWERS = 300  # of the lake, a page's rows each
_RANKED = 64_000_000  # bytes of kinds' images by distance
_MOST_ROWS = 3000  # of an answer that is kept
_DECODERS = 2  # pictures that are read at once
_FRESH = 1.0  # seconds until it is asked again whether the lake has changed
_COMMITS = "SELECT value FROM meta WHERE name = 'commits'"
LATEST = "latest"
Rows = list[dict[str, Any]]


@dataclass
class Library:
    """A workspace, read by many requests at once."""

    workspace: Workspace
    config: LooksConfig = field(default_factory=LooksConfig)
    uploads: Uploads = field(default_factory=Uploads)
    making: Making = field(default_factory=Making)
    decoders: Semaphore = field(default_factory=lambda: Semaphore(_DECODERS))
    _idle: "queue.LifoQueue[Lake | None]" = field(default_factory=queue.LifoQueue)
    maps: Kept[Points] = field(default_factory=lambda: Kept(_MAPS))
    counts: Kept[int] = field(default_factory=lambda: Kept(_COUNTS))
    _shelves: Kept[Shelf] = field(default_factory=lambda: Kept(_SHELVES))
    _seekers: Kept[Seeker] = field(default_factory=lambda: Kept(_SHELVES))
    _vectors: Kept[RunVectors] = field(default_factory=lambda: Kept(_VECTORS))
    _ranked: "Kept[pa.Table]" = field(
        default_factory=lambda: Kept(_ANSWERS, lambda rows: rows.nbytes, _RANKED)
    )
    _shown: Kept[Shown] = field(default_factory=lambda: Kept(_VECTORS))
    _answers: Kept[Any] = field(default_factory=lambda: Kept(_ANSWERS))
    _version: tuple[float, str] = (0.0, "")

    def __post_init__(self) -> None:
        self.questions = Questions(self.workspace)
        for _ in range(_LAKES):
            self._idle.put(None)

    @contextmanager
    def lake(self) -> Iterator[Lake]:
        """A lake to read from; waits while all are in use."""
        lake = self._idle.get()
        try:
            lake = lake or Lake(self.workspace, read_only=True)
            yield lake
        finally:
            self._idle.put(lake)

    def rows(self, name: str, **values: Any) -> Rows:
        """The rows that `storage/sql/<name>.sql` finds; not to be changed, others get them too."""
        return self._rows(self.version, name, values)

    def lasting(self, name: str, **values: Any) -> Rows:
        """Rows that nothing changes but the end of their run."""
        return self._rows("", name, values)

    def fresh(self, name: str, **values: Any) -> Rows:
        """Rows as they are at this moment, for what was made a moment ago."""
        return self._table(sql(name), values).to_pylist()

    def answer(self, query: str, values: dict[str, Any], lasting: bool = False) -> Rows:
        """The rows of a query made of files in `storage/sql/`, kept as those of `rows`."""
        version = "" if lasting else self.version
        return self._kept(version, query, values, lambda: self._table(query, values).to_pylist())

    def column(self, query: str, values: dict[str, Any]) -> "pa.ChunkedArray":
        """The one column of such a query, which may be long and is not kept."""
        return self._table(query, values).column(0)

    def _table(self, query: str, values: dict[str, Any]) -> "pa.Table":
        with self.lake() as lake:
            return lake.query(query, values)

    def _rows(self, version: str, name: str, values: dict[str, Any]) -> Rows:
        return self._kept(version, name, values, lambda: self.fresh(name, **values))

    def _kept(
        self, version: str, name: str, values: dict[str, Any], ask: Callable[[], Rows]
    ) -> Rows:
        words = tuple(sorted((key, repr(value)) for key, value in values.items()))
        asked = (name, words, version)
        found: Rows = self._answers.get(asked, ask)
        if len(found) > _MOST_ROWS:
            self._answers.drop(asked)
        return found

    @property
    def version(self) -> str:
        """What has been written to the lake, as a number that grows."""
        asked, version = self._version
        if time.monotonic() - asked > _FRESH:
            with self.lake() as lake:
                version = str((lake.execute(_COMMITS).fetchone() or ("",))[0])
            self._version = (time.monotonic(), version)
        return version

    def written(self) -> None:
        """Something was written: what is kept may be of before."""
        self._version = (0.0, "")

    def run_id(self, text: str) -> str:
        """The id of the run that an address names; UsageError where there is none."""

        def ask() -> str:
            with self.lake() as lake:
                return newest_run(lake)["run_id"] if text == LATEST else run_of(lake, text)

        found: str = self._answers.get(("run", text, self.version), ask)
        return found

    def shelf(self, run_id: str) -> Shelf:
        """A run, open for looking."""

        def open_run() -> Shelf:
            shelf = Shelf.open(self.workspace, run_id, config=self.config)
            shelf.lakes = self.lake
            return shelf

        return self._shelves.get(run_id, open_run)

    def seeker(self, run_id: str) -> Seeker:
        """The search of a run."""
        return self._seekers.get(run_id, lambda: Seeker(self.shelf(run_id)))

    def vectors(self, run_id: str) -> RunVectors:
        """What a run decided by; raises RunError where it is gone."""
        return self._vectors.get(
            run_id, lambda: RunVectors.open(self.workspace, self.shelf(run_id).stored)
        )

    def shown(self, run_id: str) -> Shown:
        """What lists show of a run's images."""
        query = sql("browse/shown")
        return self._shown.get(run_id, lambda: Shown.of(self._table(query, {"run": run_id})))

    def shown_soon(self, run_id: str) -> Shown | None:
        """The same where it is in memory; else None, and it is read for those who come later."""
        found = self._shown.peek(run_id)
        if found is None:
            threading.Thread(target=self.shown, args=(run_id,), daemon=True).start()
        return found

    def ranked(self, run_id: str, cluster: int) -> "pa.Table":
        """key and distance of a kind's images, typical ones first; of equals by key."""
        values = {"run": run_id, "cluster": cluster}
        query = sql("browse/ranked")
        return self._ranked.get((run_id, cluster), lambda: self._table(query, values))

    def close(self) -> None:
        """Close the lakes that are not in use."""
        for _ in range(_LAKES):
            lake = self._idle.get()
            if lake:
                lake.close()
