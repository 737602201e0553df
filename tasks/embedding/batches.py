"""Batches: files become pixels in worker processes, in one fixed order.

A file that cannot be used becomes a `Failure` in its batch and never stops the others.
"""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from sortal.configs.errors import RunError
from sortal.configs.schema import ImagesConfig
from sortal.storage.processes import Process, end_with, this_process
from sortal.tasks.errors import Failure, ImageError
from sortal.tasks.pictures.decode import middle, read_image
from sortal.tasks.processes import without_main
from sortal.tasks.sources.base import Source

_AHEAD = 2  # batches read ahead by each thread
_FEW = 256  # images: fewer are read sooner than worker processes start


class Batch(NamedTuple):
    """Pixels of shape (len(keys), 3, h, w), or None where every image failed."""

    keys: list[str]
    pixels: np.ndarray | None
    failures: list[Failure]


class Batches(Dataset):
    """Batch `i` is rows `bounds[i]` of a table (key, path, offset, bytes). Picklable."""

    def __init__(
        self,
        source: Source,
        table: pa.Table,
        bounds: Sequence[tuple[int, int]],
        config: ImagesConfig,
        transform: Callable[[Image.Image], torch.Tensor],
    ) -> None:
        self._source = source
        self._table = table
        self._bounds = bounds
        self._config = config
        self._transform = transform

    def __len__(self) -> int:
        return len(self._bounds)

    def __getitem__(self, number: int) -> Batch:
        self.bring_near(number)
        return self.read(*self._bounds[number])

    @property
    def bounds(self) -> Sequence[tuple[int, int]]:
        """The rows of each batch: the first, and that behind the last."""
        return self._bounds

    def bring_near(self, number: int) -> None:
        """Fetch the files of a batch where they are far away."""
        start, stop = self._bounds[number]
        rows = self._table.select(["path", "offset"]).slice(start, stop - start)
        loose = pc.is_null(rows["offset"])
        self._source.prefetch(rows["path"].filter(loose).to_pylist())

    def read(self, start: int, stop: int) -> Batch:
        """The pixels of rows from `start` to before `stop`."""
        good: list[tuple[str, np.ndarray]] = []
        failures: list[Failure] = []
        for row in self._table.slice(start, stop - start).to_pylist():
            read = self._read(row)
            if isinstance(read, Failure):
                failures.append(read)
            else:
                good.append((row["key"], read))
        # As arrays they travel through a pipe: shared memory is small in many containers.
        pixels = np.stack([array for _, array in good]) if good else None
        return Batch([key for key, _ in good], pixels, failures)

    def _read(self, row: dict[str, Any]) -> np.ndarray | Failure:
        image = read_image(self._source, row, self._config)
        if isinstance(image, Failure):
            return image
        try:
            return self._transform(middle(image)).numpy()
        except ImageError as error:
            return Failure(row["key"], error.code.value, error.message, lasting=True)


def bounds_of(total: int, shard_size: int, batch_size: int) -> list[tuple[int, int]]:
    """Row ranges of at most `batch_size` that never cross a shard's end."""
    return [
        (start, min(start + batch_size, shard + shard_size, total))
        for shard in range(0, total, shard_size)
        for start in range(shard, min(shard + shard_size, total), batch_size)
    ]


def read_batches(dataset: Batches, n_images: int, num_workers: int) -> Iterator[Batch]:
    """The batches in order, read by `num_workers` processes where that pays.

    The processes come from a fork server: forking one that runs torch or Prefect threads hangs.
    """
    if num_workers == 0 or n_images < _FEW:
        yield from (dataset[number] for number in range(len(dataset)))
        return
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    loader = DataLoader(
        dataset,
        batch_size=None,
        collate_fn=_as_is,
        num_workers=num_workers,
        multiprocessing_context=method,
        worker_init_fn=partial(_end_with, this_process()),
    )
    try:
        with without_main():
            batches = iter(loader)
        yield from batches
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise RunError(
            f"processes that read images must stay alive, one of {num_workers} ended (most likely"
            " out of memory); set encoder.num_workers to 0, which reads without them, or to fewer"
        ) from error


def read_ahead(dataset: Batches, count: int) -> Iterator[Batch]:
    """The batches in order, read by `count` threads of this process."""
    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(count, "decoder") as pool:
        for number in range(len(dataset)):
            waiting.append(pool.submit(dataset.__getitem__, number))
            if len(waiting) > _AHEAD * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _end_with(starter: Process, _: int) -> None:
    end_with(starter)


def _as_is(batch: Any) -> Any:
    return batch
