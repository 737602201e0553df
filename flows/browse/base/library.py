"""What pages are made of: lakes that are open for reading, and runs that are open for looking."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Semaphore
from typing import Any

from sortal.configs.looks import LooksConfig
from sortal.flows.browse.base.kept import Kept
from sortal.flows.browse.base.making import Making
from sortal.flows.browse.base.points import Points
from sortal.flows.browse.base.question import Questions
from sortal.flows.operations.find import Shelf
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.runs import newest_run, run_of
from sortal.storage.lake.sql import sql
from sortal.storage.workspace import Workspace

_LAKES = 4  # that are open at once: each answers one question at a time
_SHELVES = 8  # runs that are open at once
_MAPS = 2  # that are held: 100 MB each for a million images
_COUNTS = 1000  # of lists that are remembered: a run does not change
_DECODERS = 2  # pictures that are read at once
LATEST = "latest"


@dataclass
class Library:
    """A workspace, read by many requests at once."""

    workspace: Workspace
    config: LooksConfig = field(default_factory=LooksConfig)
    making: Making = field(default_factory=Making)
    decoders: Semaphore = field(default_factory=lambda: Semaphore(_DECODERS))
    _idle: "queue.LifoQueue[Lake | None]" = field(default_factory=queue.LifoQueue)
    maps: Kept[Points] = field(default_factory=lambda: Kept(_MAPS))
    counts: Kept[int] = field(default_factory=lambda: Kept(_COUNTS))
    _shelves: Kept[Shelf] = field(default_factory=lambda: Kept(_SHELVES))

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

    def rows(self, name: str, **values: Any) -> list[dict[str, Any]]:
        """The rows that `storage/sql/<name>.sql` finds."""
        with self.lake() as lake:
            return lake.query(sql(name), values).to_pylist()

    def run_id(self, text: str) -> str:
        """The id of the run that an address names; UsageError where there is none."""
        with self.lake() as lake:
            return newest_run(lake)["run_id"] if text == LATEST else run_of(lake, text)

    def shelf(self, run_id: str) -> Shelf:
        """A run, open for looking; the one looked at longest ago is closed for it."""
        return self._shelves.get(
            run_id, lambda: Shelf.open(self.workspace, run_id, config=self.config)
        )

    def close(self) -> None:
        """Close the lakes that are not in use."""
        for _ in range(_LAKES):
            lake = self._idle.get()
            if lake:
                lake.close()
