"""The last few of things that take long to load, each loaded by one request while others wait."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class Kept(Generic[T]):
    """At most `most` values by key; the one asked for longest ago goes first."""

    most: int
    _values: "OrderedDict[Hashable, T]" = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def get(self, key: Hashable, load: Callable[[], T]) -> T:
        """The value of `key`, loaded now where it is not kept."""
        with self._lock:
            if key not in self._values:
                self._values[key] = load()
                if len(self._values) > self.most:
                    self._values.popitem(last=False)
            self._values.move_to_end(key)
            return self._values[key]
