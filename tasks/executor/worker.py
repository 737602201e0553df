"""What a worker of a cluster does: it learns a piece of work once, then does its shards.

An error of the work itself is a result like any other; what is raised means a lost worker.
"""

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sortal.configs.errors import RunError
from sortal.tasks.executor.base import Part


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
    """Does shards one after another; an actor of Ray. `token` is a file of the run's workspace."""

    def __init__(self, token: Path) -> None:
        if not token.exists():
            raise RunError(f"a worker must see the workspace {token.parent}, it does not")
        self._known: dict[str, Any] = {}
        self._states: dict[tuple[str, int], Any] = {}

    def ready(self) -> bool:
        """Whether the worker is there."""
        return True

    def learn(self, name: str, thing: Any) -> None:
        """Keep work, or a `Holding`, under a name."""
        self._known[name] = thing

    def forget(self, name: str) -> None:
        """Drop what was learnt under a name, and all that was made of it."""
        self._known.pop(name, None)
        self._states = {key: state for key, state in self._states.items() if key[0] != name}

    def do(self, name: str, shard: Any) -> Outcome:
        """The result of the work `name` for a shard."""
        return _outcome(self._known[name], shard)

    def ask(self, name: str, number: int, function: Callable[..., Any], given: Any) -> Outcome:
        """`function` of part `number` of the holding `name`, which is made where it is not held."""

        def asked() -> Any:
            if (name, number) not in self._states:
                holding: Holding = self._known[name]
                self._states[name, number] = holding.make(holding.parts[number])
            return function(self._states[name, number], *given)

        return _outcome(asked)


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
