"""The search of a run for many at once: what it needs is made in the background, once."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from threading import Lock, Thread

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sortal.flows.browse.held.kept import Kept
from sortal.flows.operations.find import Hit, Shelf
from sortal.storage.rows import FloatArray

_QUERIES = 200  # that are held, a vector each
_FILTERS = 64  # that are held, a bit an image each


@dataclass(frozen=True)
class Sought:
    """What is sought: words, a picture by its content, an image of the run by its key."""

    words: str = ""
    picture: str = ""
    like: str = ""

    def __bool__(self) -> bool:
        return bool(self.words.strip() or self.picture or self.like)


@dataclass
class Seeker:
    """A run's search."""

    shelf: Shelf
    _begun: dict[str, Future[None]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _encoding: Lock = field(default_factory=Lock)
    _queries: Kept[FloatArray] = field(default_factory=lambda: Kept(_QUERIES))
    _filters: Kept[NDArray[np.uint8]] = field(default_factory=lambda: Kept(_FILTERS))

    def ready(self, seconds: float, encoder: bool = False) -> bool:
        """Whether a search can be answered now; what it needs is begun, and waited for a while.

        Raises what making it raised; the next call begins again.
        """
        if encoder:
            self.shelf.needs_a_model("words and pictures")
        needed = [self._begin("index", self.shelf.open_search)]
        if encoder:
            needed.append(self._begin("encoder", self.shelf.open_encoder))
        done, running = wait(needed, timeout=seconds)
        for each in done:
            each.result()
        return not running

    @property
    def is_open(self) -> bool:
        """Whether the index is open already."""
        begun = self._begun.get("index")
        return begun is not None and begun.done() and begun.exception() is None

    def _begin(self, name: str, work: Callable[[], None]) -> Future[None]:
        with self._lock:
            begun = self._begun.get(name)
            if begun is None or (begun.done() and begun.exception() is not None):
                begun = self._begun[name] = Future()
                # A daemon: the end of the server does not wait for an index.
                Thread(target=_run, args=(begun, work), name=f"search {name}", daemon=True).start()
            return begun

    def find(
        self,
        sought: Sought,
        picture: bytes | None,
        count: int,
        among: tuple[tuple[object, ...], Callable[[], pa.ChunkedArray]] | None = None,
    ) -> list[Hit]:
        """The `count` nearest images; once `ready` says so.

        `among` are a filter's name and what gives the keys that fulfil it.
        """
        query = self._queries.get(sought, lambda: self._query(sought, picture))
        rows = None
        if among:
            name, keys = among
            bits = self._filters.get(name, lambda: np.packbits(self.shelf.rows_of(keys())))
            rows = np.unpackbits(bits)[: self.shelf.n_indexed].astype(bool)
        return self.shelf.nearest(query, count, rows, sought.like or None)

    def _query(self, sought: Sought, picture: bytes | None) -> FloatArray:
        with self._encoding:
            return self.shelf.query(sought.words.strip() or None, picture, sought.like or None)


def _run(future: Future[None], work: Callable[[], None]) -> None:
    try:
        work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(None)
