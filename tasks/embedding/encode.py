"""Encoding: the images of a table become vectors of a store, shard by shard."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch

from sortal.configs.encoder import EncoderConfig
from sortal.configs.errors import RunError
from sortal.configs.schema import ImagesConfig
from sortal.storage.atomic import wait_for
from sortal.storage.rows import FloatArray
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace
from sortal.tasks.embedding.batches import Batches, bounds_of, read_ahead, read_batches
from sortal.tasks.embedding.failures import KnownFailures
from sortal.tasks.embedding.model import PinnedEncoder
from sortal.tasks.embedding.on_cpu import Encoded, encode_on_cpu
from sortal.tasks.embedding.readable import ImageFiles
from sortal.tasks.embedding.to_device import on_device
from sortal.tasks.encoders.base import Encoder
from sortal.tasks.errors import Failure
from sortal.tasks.executor.base import Decoders, How, hearing, report, tell
from sortal.tasks.executor.current import executor
from sortal.tasks.progress import progress
from sortal.tasks.sources.registry import from_anywhere, open_source

_PIECES = 6  # of each worker, at least: the last ones end at about the same time


class Piece(NamedTuple):
    """Images that become one shard, at a place in the store's order: a table, and its batches."""

    table: pa.Table
    bounds: list[tuple[int, int]]
    order: int

    def __reduce__(self) -> tuple[Any, ...]:
        copied = self.table.take(pa.array(range(self.table.num_rows)))  # a slice pickles as a whole
        return Piece, (copied, self.bounds, self.order)


class Embedded(NamedTuple):
    """What became of a piece: its shard (None where every image failed), and the failures."""

    shard: Path | None
    failures: list[Failure]
    n_images: int


@dataclass(frozen=True)
class EmbedPieces:
    """Embeds pieces of `source` into `store`; the work of an executor."""

    store: VectorStore
    workspace: Workspace
    source: str
    reading: ImagesConfig
    pinned: PinnedEncoder
    decoders: Decoders

    def __call__(self, piece: Piece) -> Embedded:
        """Embed one piece."""
        return next(self.over([piece]))

    def over(self, pieces: Sequence[Piece]) -> Iterator[Embedded]:
        """Embed pieces one after another, their images read ahead across them."""
        encoder = self.pinned.open()
        source = open_source(self.source, self.workspace.root, self.reading)
        table = pa.concat_tables([piece.table for piece in pieces])
        dataset = Batches(source, table, _laid_end_to_end(pieces), self.reading, encoder.transform)
        on_cpu = encoder.device == "cpu"
        batches = encode_on_cpu(dataset, encoder) if on_cpu else self._ahead(dataset, encoder)
        written: deque[Future[Embedded]] = deque()
        with ThreadPoolExecutor(1, "writer") as writer:  # the next piece is encoded meanwhile
            for piece in pieces:
                keys: list[str] = []
                vectors: list[FloatArray] = []
                failures: list[Failure] = []
                own = itertools.islice(batches, len(piece.bounds))
                for part in itertools.chain.from_iterable(own):
                    failures += part.failures
                    keys += part.keys
                    if part.vectors is not None:
                        vectors.append(part.vectors)
                    report(len(part.keys) + len(part.failures))
                tell(failures)
                written.append(writer.submit(self._write, piece, keys, vectors, failures))
                if len(written) > 1:
                    yield written.popleft().result()
            while written:
                yield written.popleft().result()

    def _write(
        self, piece: Piece, keys: list[str], vectors: list[FloatArray], failures: list[Failure]
    ) -> Embedded:
        shard = self.store.add(keys, np.concatenate(vectors), piece.order) if keys else None
        return Embedded(shard, failures, piece.table.num_rows)

    def _ahead(self, dataset: Batches, encoder: Encoder) -> Iterator[Iterable[Encoded]]:
        """The batches in order, encoded on an accelerator while the next are decoded and copied."""
        encode = Halving(encoder.encode_images)
        processes, threads = self.decoders
        read = (
            read_ahead(dataset, threads)
            if threads
            else read_batches(dataset, dataset.bounds[-1][1], processes)
        )
        with closing(on_device(read, encoder.device)) as moved:
            for keys, pixels, failures in moved:
                vectors = None if pixels is None else encode(pixels)
                yield [Encoded(keys, vectors, failures)]


def embed_rows(
    store: VectorStore,
    images: ImageFiles,
    pinned: PinnedEncoder,
    known: KnownFailures,
    workspace: Workspace,
) -> None:
    """Embed `images` into `store` by the current executor, at most `shard_size` of them a shard.

    Failures are added to `known`; by this process each time before the shard that would have held
    them.
    """
    chosen, config = executor(), pinned.config
    work = EmbedPieces(
        *(store, workspace, from_anywhere(images.source), images.reading, pinned),
        chosen.decoders(config.num_workers),
    )
    pieces = cut(images.table, config, store, chosen.n_workers)
    total = images.table.num_rows
    with (
        progress("embedding images", total, "images") as advance,
        hearing(advance, known.add) as finish,
    ):
        for done in chosen.map(work, pieces, How(gpus=True)):
            known.add(done.failures)
            if done.shard and not store.mirror:  # a bucket tells of what it has
                wait_for([done.shard, done.shard.with_suffix(".json")])
            finish(done.n_images)


def cut(table: pa.Table, config: EncoderConfig, store: VectorStore, n_workers: int) -> list[Piece]:
    """Images in pieces of whole batches, a shard each; for several workers, some pieces for each.

    Batches are the same whatever the pieces, and so are vectors.
    """
    bounds = bounds_of(table.num_rows, config.shard_size, config.batch_size)
    of_a_shard = -(-config.shard_size // config.batch_size)
    size = of_a_shard
    if n_workers > 1:
        size = min(of_a_shard, max(1, -(-len(bounds) // (n_workers * _PIECES))))
    groups = [
        bounds[start : min(start + size, shard + of_a_shard)]
        for shard in range(0, len(bounds), of_a_shard)
        for start in range(shard, min(shard + of_a_shard, len(bounds)), size)
    ]
    orders = store.free_orders(len(groups))
    return [_piece(table, group, order) for group, order in zip(groups, orders, strict=True)]


def _piece(table: pa.Table, bounds: list[tuple[int, int]], order: int) -> Piece:
    first, last = bounds[0][0], bounds[-1][1]
    own = [(start - first, stop - first) for start, stop in bounds]
    return Piece(table.slice(first, last - first), own, order)


def _laid_end_to_end(pieces: Sequence[Piece]) -> list[tuple[int, int]]:
    """The batches of pieces whose tables follow one another."""
    found, first = [], 0
    for piece in pieces:
        found += [(first + start, first + stop) for start, stop in piece.bounds]
        first += piece.table.num_rows
    return found


class Halving:
    """Encodes batches; when the GPU runs out of memory, in halves from then on."""

    def __init__(self, encode: Callable[[torch.Tensor], FloatArray]) -> None:
        self._encode = encode
        self._most: int | None = None

    def __call__(self, batch: torch.Tensor) -> FloatArray:
        """Vectors of shape (len(batch), dim); raises RunError when one image is too many."""
        while True:
            size = min(self._most or len(batch), len(batch))
            try:
                return np.concatenate([self._encode(part) for part in batch.split(size)])
            except torch.OutOfMemoryError as error:
                if size == 1:
                    rule = "the GPU must hold the model and one image"
                    raise RunError(
                        f"{rule}, it ran out of memory; use encoder.device=cpu"
                    ) from error
                self._most = size // 2
            torch.cuda.empty_cache()
