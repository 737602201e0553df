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
    """The `most` values that were asked for last, and of `size` no more than `room` in all.

    One that alone takes more is kept, too, until the next comes.
    """

    def __init__(self, most: int, size: Callable[[V], int] | None = None, room: int = 0) -> None:
        self._most, self._size, self._room = most, size, room
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
                self._make_room()
            return slot.value[0]

    def _make_room(self) -> None:
        if self._size is None:
            return
        with self._lock:
            sizes = {key: sum(map(self._size, slot.value)) for key, slot in self._slots.items()}
            total = sum(sizes.values())
            for key in [key for key, size in sizes.items() if size][:-1]:
                if total > self._room:
                    total -= sizes[key]
                    del self._slots[key]

    def put(self, key: Hashable, value: V) -> None:
        """Keep a value that was made otherwise."""
        self.get(key, lambda: value)

    def peek(self, key: Hashable) -> V | None:
        """The value of `key` where it is there."""
        with self._lock:
            slot = self._slots.get(key)
        return slot.value[0] if slot and slot.value else None

    def drop(self, key: Hashable) -> None:
        """Keep the value of `key` no longer."""
        with self._lock:
            self._slots.pop(key, None)
