"""What a worker of a cluster does: it learns a piece of work once, then does its shards.

An error of the work itself is a result like any other; what is raised means a lost worker.
"""

import pickle
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sortal.configs.errors import RunError
from sortal.tasks.executor.base import Part
from sortal.tasks.executor.node_folder import Home, root_of
from sortal.tasks.executor.travel import Packed, pack, unpack


class Outcome(NamedTuple):
    """What became of a shard."""

    value: Any = None
    error: Exception | None = None

    def get(self) -> Any:
        """The value, or the error raised."""
        if self.error is not None:
            raise self.error
        return self.value


class Holding(NamedTuple):
    """Parts that workers hold, and how a worker makes what it holds of one."""

    make: Callable[[Part], Any]
    parts: Sequence[Part]


class Worker:
    """Does shards one after another; an actor of Ray. `home` is the run's workspace."""

    def __init__(self, home: Home) -> None:
        self._root = root_of(home)
        self._known: dict[str, Any] = {}
        self._states: dict[tuple[str, int], Any] = {}

    def ready(self) -> bool:
        """Whether the worker is there."""
        return True

    def learn(self, name: str, thing: Packed) -> None:
        """Keep work, or a `Holding`, under a name."""
        self._known[name] = thing

    def forget(self, name: str) -> None:
        """Drop what was learnt under a name, and all that was made of it."""
        self._known.pop(name, None)
        self._states = {key: state for key, state in self._states.items() if key[0] != name}

    def do(self, name: str, shard: Packed) -> Packed:
        """The result of the work `name` for a shard."""
        work, given = self._learnt(name), unpack(shard, self._root)
        return pack(_outcome(work, given), self._root)

    def ask(self, name: str, number: int, call: Packed) -> Packed:
        """A function of part `number` of the holding `name`, which is made where it is not held.

        `call` is the function and its further arguments.
        """
        holding: Holding = self._learnt(name)
        function, given = unpack(call, self._root)

        def asked() -> Any:
            if (name, number) not in self._states:
                self._states[name, number] = holding.make(holding.parts[number])
            return function(self._states[name, number], *given)

        return pack(_outcome(asked), self._root)

    def _learnt(self, name: str) -> Any:
        """What was learnt under a name, unpacked when it is first needed."""
        thing = self._known[name]
        if isinstance(thing, Packed):
            thing = self._known[name] = unpack(thing, self._root)
        return thing


def _outcome(work: Callable[..., Any], *arguments: Any) -> Outcome:
    try:
        return Outcome(value=work(*arguments))
    except Exception as error:
        return Outcome(error=_portable(error))


def _portable(error: Exception) -> Exception:
    """`error`, or where it cannot travel, one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RunError(f"{type(error).__name__}: {error}")
    return error
