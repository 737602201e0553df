"""Embedding on a CPU: each thread reads, decodes and encodes a few images at a time.

Whoever decodes also encodes: no thread waits for another, no pixels go through a pipe, and what the
network's layers hand on stays in the processor's caches. Large batches cost a CPU a third.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

import torch

from sortal.storage.rows import FloatArray
from sortal.tasks.embedding.batches import Batches
from sortal.tasks.encoders.base import Encoder
from sortal.tasks.errors import Failure
from sortal.tasks.threads import ThreadPool


class Encoded(NamedTuple):
    """Vectors of shape (len(keys), dim), or None where every image failed."""

    keys: list[str]
    vectors: FloatArray | None
    failures: list[Failure]


class _Some(NamedTuple):
    """Rows of one batch, and when its files are near."""

    start: int
    stop: int
    near: Future[None]


def encode_on_cpu(dataset: Batches, encoder: Encoder) -> Iterator[Iterator[Encoded]]:
    """The batches of a data set in order, each in parts of at most `encoder.cpu_batch` images.

    Parts are cut from each batch anew and one thread does one, so vectors are the same to the bit
    whatever the number of threads. The files of the next batch are fetched meanwhile. Take all of
    a batch before the next.
    """

    def encode(some: _Some) -> Encoded:
        some.near.result()
        batch = dataset.read(some.start, some.stop)
        pixels = batch.pixels
        vectors = None if pixels is None else encoder.encode_images(torch.from_numpy(pixels))
        return Encoded(batch.keys, vectors, batch.failures)

    with ThreadPool() as threads, ThreadPoolExecutor(1, "fetcher") as fetcher:
        encoded = threads.map(encode, _parts(dataset, encoder.cpu_batch, fetcher))
        for start, stop in dataset.bounds:
            yield islice(encoded, len(range(start, stop, encoder.cpu_batch)))


def _parts(dataset: Batches, size: int, fetcher: ThreadPoolExecutor) -> Iterator[_Some]:
    bounds = dataset.bounds
    coming = fetcher.submit(dataset.bring_near, 0)
    for number, (start, stop) in enumerate(bounds):
        near = coming
        if number + 1 < len(bounds):
            coming = fetcher.submit(dataset.bring_near, number + 1)
        for first in range(start, stop, size):
            yield _Some(first, min(first + size, stop), near)
