"""What a step asks of an executor, and what its work may tell while it lasts.

Two calls: `map`, a function of every shard, and `hold`, whose parts stay with their workers while
`reduce` is asked of all of them again and again. Neither is part of any fingerprint.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol, TypeVar

from sortal.storage.rows import Rows, rows_between

ALIGNED = 1024  # rows: parts begin at multiples of it, so that sums by blocks of 2^n have the same

Shard = TypeVar("Shard")
Shard_contra = TypeVar("Shard_contra", contravariant=True)
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)
State = TypeVar("State")
State_co = TypeVar("State_co", covariant=True)


class Work(Protocol[Shard_contra, Result_co]):
    """A picklable function of one shard.

    One with a method `over(shards)`, an iterator of results in order, is given all shards at once
    where a single process does them, so that it can read ahead.
    """

    def __call__(self, shard: Shard_contra, /) -> Result_co:
        """The result of a shard; small: large ones are written by the worker."""


class How(NamedTuple):
    """How this machine does a map by itself, and whether other machines are worth it.

    Without threads and processes the shards are done one after another by the caller. `gpus`: the
    work runs a model, for which workers may have GPUs.
    """

    spread: bool = True
    threads: int = 0
    processes: int = 0
    gpus: bool = False


class Decoders(NamedTuple):
    """Who decodes images ahead of an encoder: processes, or threads of its own process."""

    processes: int = 0
    threads: int = 0


class Held(Protocol[State_co]):
    """Parts that are held by workers, each as what was made of it there."""

    def reduce(self, function: Callable[..., Result], *arguments: Any) -> list[Result]:
        """`function(part's state, *arguments)` of every part, in order, to be summed by the caller.

        A part that is lost is made again on another worker, so `function` must not depend on
        earlier calls.
        """


class Part(NamedTuple):
    """Consecutive rows of stored vectors, which any process that sees the workspace can read."""

    rows: Rows
    start: int
    stop: int

    def open(self) -> Rows:
        """The rows of the part."""
        return rows_between(self.rows, self.start, self.stop)


class Executor(Protocol):
    """Does the shards of steps. Results come in the order of the shards."""

    @property
    def n_workers(self) -> int:
        """How many shards are done at the same time."""

    def decoders(self, processes: int) -> Decoders:
        """Who decodes for an encoder that is configured to have `processes` for it."""

    def map(self, work: Work[Shard, Result], shards: Sequence[Shard], how: How) -> Iterator[Result]:
        """`work` of each shard; a lost one is done again, an error of one ends all."""

    def parts(self, rows: Rows) -> list[Part] | None:
        """`rows` in as many parts as there are workers, None where the caller does them itself."""

    def hold(
        self, make: Callable[[Part], State], parts: Sequence[Part]
    ) -> AbstractContextManager[Held[State]]:
        """Have workers hold `make(part)` of each part for as long as the body runs."""


class _Heard(NamedTuple):
    units: Callable[[int], None]
    news: Callable[[Any], None]


_heard: ContextVar[_Heard | None] = ContextVar("heard", default=None)


def report(n: int) -> None:
    """Called by work when `n` units of a shard are done, where the shard takes long."""
    if heard := _heard.get():
        heard.units(n)


def tell(news: Any) -> None:
    """Called by work with what is better known before the shard's result than with it."""
    if heard := _heard.get():
        heard.news(news)


@contextmanager
def hearing(
    advance: Callable[[int], None], news: Callable[[Any], None]
) -> Iterator[Callable[[int], None]]:
    """Hear what work in this process reports and tells; yields a function of each shard's units.

    Units of a shard that another process has done are counted when the shard is; what is told
    there, is not heard here.
    """
    told = done = 0

    def count(n: int) -> None:
        nonlocal told
        told += n
        advance(n)

    def finish(n: int) -> None:
        nonlocal done
        done += n
        if done > told:
            count(done - told)

    token = _heard.set(_Heard(count, news))
    try:
        yield finish
    finally:
        _heard.reset(token)
