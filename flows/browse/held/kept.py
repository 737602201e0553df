"""What is kept in memory for the next request: made once, however many ask, and not too much."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")


class _Slot(Generic[V]):
    def __init__(self) -> None:
        self.lock = Lock()
        self.value: list[V] = []  # none, or one


class Kept(Generic[V]):
    """The `most` values that were asked for last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._slots: OrderedDict[Hashable, _Slot[V]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of `key`; who comes while it is being made waits for it.

        What `make` raises is raised, and the next who asks makes it.
        """
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            if len(self._slots) > self._most:
                self._slots.popitem(last=False)
        with slot.lock:
            if not slot.value:
                slot.value.append(make())
            return slot.value[0]

    def drop(self, key: Hashable) -> None:
        """Keep the value of `key` no longer."""
        with self._lock:
            self._slots.pop(key, None)
