"""The workers of a Ray cluster as an executor; it is connected to when a step first needs it."""

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

from sortal.configs.errors import counted
from sortal.configs.executor import ExecutorSpec, RayConfig
from sortal.storage.rows import Rows, is_stored
from sortal.storage.stopping import when_stopped
from sortal.storage.workspace import Workspace
from sortal.tasks.executor.base import ALIGNED, Decoders, Held, How, Part, Work
from sortal.tasks.executor.local import LocalExecutor
from sortal.tasks.executor.node_folder import Home
from sortal.tasks.executor.ray_connect import connect
from sortal.tasks.executor.ray_nodes import check_nodes, token_in
from sortal.tasks.executor.ray_pool import Call, Handle, Pool
from sortal.tasks.executor.travel import pack
from sortal.tasks.executor.worker import Holding

log = logging.getLogger("sortal")

Shard = TypeVar("Shard")
Result = TypeVar("Result")
State = TypeVar("State")

_MANY = 16  # shards a worker; where there are fewer, they are long, and none waits at a busy worker
_AHEAD = 4  # results of each worker that wait for an earlier shard's


class RayExecutor:
    """Does the shards of steps on a cluster. A context manager.

    Its nodes see the workspace, or the bucket where it is published; `sources` are paths that they
    must see in any case.
    """

    def __init__(
        self,
        spec: ExecutorSpec,
        config: RayConfig,
        workspace: Workspace,
        sources: Sequence[str] = (),
    ) -> None:
        self._spec, self._config = spec, config
        self._workspace, self._sources = workspace, sources
        self._open = ExitStack()
        self._ray: Any = None
        self._home: Home | None = None
        self._pool: Pool | None = None
        self._here = LocalExecutor()

    def __enter__(self) -> "RayExecutor":
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool:
            self._pool.close()
        self._open.close()

    def _connect(self) -> None:
        self._ray, is_ours = connect(self._spec)
        if is_ours:
            self._open.callback(self._ray.shutdown)
        self._open.enter_context(when_stopped(self._stopped))
        token = self._open.enter_context(token_in(self._workspace.root))
        self._home = Home(token, self._workspace.objects, self._config.folder)
        patience = self._config.patience_seconds
        nodes, away = check_nodes(self._ray, self._home, self._sources, patience)
        have = self._ray.cluster_resources()
        log.info(
            "executor: Ray %s, %s, %s, %s%s",
            self._ray.__version__,
            *(counted(nodes, "node"), *(counted(int(have.get(n, 0)), n) for n in ("CPU", "GPU"))),
            f"; {away} of them work by {self._workspace.objects}" if away else "",
        )

    def _stopped(self) -> None:
        """What a signal leaves time for: no worker stays behind, nor the token."""
        if self._home:
            self._home.token.unlink(missing_ok=True)
        if self._pool:
            self._pool.close()
        if self._spec.is_client:
            self._ray.shutdown()

    def _workers(self, gpus: float) -> Pool:
        """The workers, each with so many GPUs; those with others make room."""
        if self._pool is None or self._pool.gpus != gpus:
            if self._pool:
                self._pool.close()
            if self._home is None:
                self._connect()
            assert self._home is not None
            self._pool = Pool(self._ray, self._home, self._config, gpus)
        return self._pool

    @property
    def n_workers(self) -> int:
        """How many workers embed, or hold parts, at the same time."""
        return self._workers(self._config.gpus).count

    def decoders(self, processes: int) -> Decoders:
        """Threads of a worker, whatever one machine alone would have."""
        return Decoders(threads=self._config.decoders)

    def map(self, work: Work[Shard, Result], shards: Sequence[Shard], how: How) -> Iterator[Result]:
        """`work` of each shard, in order."""
        if not how.spread or not shards:
            yield from self._here.map(work, shards, how)
            return
        pool = self._workers(self._config.gpus if how.gpus else 0.0)
        name, wanted = uuid.uuid4().hex, 0
        early: dict[int, Result] = {}  # ended before an earlier shard
        learn = self._lesson(name, work)
        limit = (_AHEAD + 2) * pool.count

        def send(shard: Shard, handle: Handle) -> Any:
            return learn(handle).do.remote(name, pack(shard, self._workspace.root))

        def calls() -> Iterator[Call | None]:
            for number, shard in enumerate(shards):
                while number - wanted >= limit:
                    yield None
                yield Call(number, partial(send, shard))

        try:
            depth = 2 if len(shards) > _MANY * pool.count else 1
            for number, result in pool.run(calls(), depth):
                early[number] = result
                while wanted in early:
                    yield early.pop(wanted)
                    wanted += 1
        finally:
            pool.forget(name)

    def _lesson(self, name: str, thing: Any) -> Callable[[Handle], Any]:
        """A function that gives a worker's actor, which has learnt `thing` by then."""
        ref = self._put(thing)

        def learn(handle: Handle) -> Any:
            if name not in handle.known:
                handle.known.add(name)
                handle.actor.learn.remote(name, ref)
            return handle.actor

        return learn

    def _put(self, thing: Any) -> Any:
        """A thing where workers get it once each."""
        return self._ray.put(pack(thing, self._workspace.root))

    def parts(self, rows: Rows) -> list[Part] | None:
        """A part a worker; None where rows are few, or are nothing that all workers can read."""
        total, is_scratch = rows.shape[0], getattr(rows, "is_scratch", False)
        if total < max(self._config.spread_rows, 1) or not is_stored(rows):
            return None
        if is_scratch and self._workspace.objects:  # a node may see no more than the bucket
            return None
        blocks = -(-total // ALIGNED)
        count = min(self.n_workers, blocks)
        edges = [ALIGNED * (number * blocks // count) for number in range(count)] + [total]
        return [Part(rows, *edge) for edge in pairwise(edges)]

    @contextmanager
    def hold(self, make: Callable[[Part], State], parts: Sequence[Part]) -> Iterator[Held[State]]:
        """Have workers hold the parts, each made where it is first asked for."""
        name, pool = uuid.uuid4().hex, self._workers(self._config.gpus)
        learn = self._lesson(name, Holding(make, list(parts)))
        try:
            yield _Held(pool, name, learn, len(parts), self._put)
        finally:
            pool.forget(name)


class _Held:
    def __init__(
        self,
        pool: Pool,
        name: str,
        learn: Callable[[Handle], Any],
        count: int,
        put: Callable[[Any], Any],
    ) -> None:
        self._pool, self._name, self._learn = pool, name, learn
        self._count, self._put = count, put

    def reduce(self, function: Callable[..., Result], *arguments: Any) -> list[Result]:
        given = self._put((function, arguments))

        def call(number: int) -> Call:
            def send(handle: Handle) -> Any:
                return self._learn(handle).ask.remote(self._name, number, given)

            return Call(number, send)

        calls = (call(number) for number in range(self._count))
        found = dict(self._pool.run(calls, holding=self._name))
        return [found[number] for number in range(self._count)]
