"""Encoding: the images of a table become vectors of a store, shard by shard."""

from collections.abc import Callable

import numpy as np
import torch

from sortal.configs.errors import RunError
from sortal.storage.rows import FloatArray
from sortal.storage.vectors import VectorStore
from sortal.tasks.embedding.batches import Batches, bounds_of, read_batches
from sortal.tasks.embedding.failures import KnownFailures
from sortal.tasks.embedding.model import PinnedEncoder
from sortal.tasks.embedding.readable import ImageFiles
from sortal.tasks.errors import Failure
from sortal.tasks.progress import progress
from sortal.tasks.sources.registry import open_source


def embed_rows(
    store: VectorStore, images: ImageFiles, pinned: PinnedEncoder, known: KnownFailures
) -> None:
    """Embed `images` into `store`, `shard_size` of them a shard.

    Failures are added to `known`, each time before the shard that would have held them.
    """
    config, encoder, total = pinned.config, pinned.open(), images.table.num_rows
    bounds = bounds_of(total, config.shard_size, config.batch_size)
    source = open_source(images.source)
    dataset = Batches(source, images.table, bounds, images.reading, encoder.transform)
    encode = Halving(encoder.encode_images)
    keys: list[str] = []
    parts: list[FloatArray] = []
    failures: list[Failure] = []
    with progress("embedding images", total, unit="images") as advance:
        batches = read_batches(dataset, total, config.num_workers)
        for (start, stop), batch in zip(bounds, batches, strict=True):
            failures += batch.failures
            keys += batch.keys
            if batch.pixels is not None:
                parts.append(encode(torch.from_numpy(batch.pixels)))
            if stop % config.shard_size == 0 or stop == total:
                known.add(failures)
                if keys:
                    store.add(keys, np.concatenate(parts))
                keys, parts, failures = [], [], []
            advance(stop - start)


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
