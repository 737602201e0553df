"""What heads are trained on: float16 matrices in memory-mapped files, read by row or by block.

Parquet shards are written once into flat files in a scratch folder, so that a mini-batch costs
only its own rows, whatever the size of the collection.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from sortal.storage.atomic import atomic_file
from sortal.storage.rows import FloatArray
from sortal.tasks.clustering.neighbours import nearest_neighbours
from sortal.tasks.memory import free_memory

BLOCK = 8192


class Matrix:
    """Vectors of shape (n_rows, dim), float16 in a file; satisfies `Rows`.

    They are the file's rows `start` to `stop`. Where a workspace is published, this file is not.
    """

    is_scratch = True

    def __init__(self, path: Path, device: str, start: int = 0, stop: int | None = None) -> None:
        array = np.load(path, mmap_mode="c")[start:stop]
        self._rows = torch.from_numpy(array)
        self._device, self._path, self._start = device, path, start
        if device != "cpu" and array.nbytes < free_memory(device) // 2:
            self._rows = self._rows.to(device)

    def __reduce__(self) -> tuple[Any, ...]:
        return Matrix, (self._path, "cpu", self._start, self._start + self.shape[0])

    def between(self, start: int, stop: int) -> "Matrix":
        """The rows `start` to `stop`, in host memory."""
        return Matrix(self._path, "cpu", self._start + start, self._start + stop)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, dim)."""
        return self._rows.shape[0], self._rows.shape[1]

    def take(self, numbers: Tensor) -> Tensor:
        """Rows `numbers` (b,) int64 as float32 (b, dim) on the training device."""
        rows = self._rows.index_select(0, numbers.to(self._rows.device))
        return rows.to(self._device).float()

    def slice(self, start: int, stop: int) -> Tensor:
        """Rows start to stop as float32 on the training device."""
        return self._rows[start:stop].to(self._device).float()

    def blocks(self, size: int) -> Iterator[FloatArray]:
        """Consecutive blocks of at most `size` rows, float32, in host memory."""
        for start in range(0, self.shape[0], size):
            yield self._rows[start : start + size].float().cpu().numpy()


def has_row(rows: Tensor) -> Tensor:
    """Which images (b,) have the modality of `rows` (b, dim): a missing row is zero."""
    return rows.any(dim=1)


def write_matrix(path: Path, shape: tuple[int, int], blocks: Iterable[FloatArray]) -> None:
    """Write blocks of rows as one float16 .npy file, atomically; an existing file is kept."""
    if path.exists():
        return
    with atomic_file(path) as temporary:
        out = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
        start = 0
        for block in blocks:
            out[start : start + len(block)] = block
            start += len(block)
        out.flush()


@dataclass(frozen=True)
class TextSpace:
    """The texts of a semantic space.

    `vectors` (M, dim) float32 unit rows as fusion sees them, on the training device; `generality`
    (M,) float32, each text's cosine with the mean of its corpus; `table` has key, text and
    the corpus's columns (synset, depth, ... for nouns), row for row.
    """

    vectors: Tensor
    generality: FloatArray
    table: pa.Table


@dataclass(frozen=True)
class Data:
    """A collection as heads see it: `modalities` by name ("image", "noun", ...), a row an image."""

    n_clusters: int
    modalities: Mapping[str, Matrix]
    spaces: Mapping[str, TextSpace]
    scratch: Path
    random_state: int
    device: str

    @property
    def n_images(self) -> int:
        """Rows of every modality."""
        return next(iter(self.modalities.values())).shape[0]

    def generator(self, *purpose: int) -> np.random.Generator:
        """A generator for one purpose, such as an epoch: the same after a kill and a resume."""
        return np.random.default_rng([self.random_state, *purpose])

    def torch_generator(self, *purpose: int) -> torch.Generator:
        """The same for initial weights, on the CPU."""
        return torch.Generator().manual_seed(int(self.generator(*purpose).integers(2**63)))

    def neighbours(
        self, modality: str, count: int, *, include_self: bool = False
    ) -> NDArray[np.int32]:
        """`nearest_neighbours` in a modality, kept in the scratch folder for a resume."""
        name = f"neighbours-{modality}-{count}{'-self' if include_self else ''}"
        rows = self.modalities[modality]
        return self.cached(name, lambda: nearest_neighbours(rows, count, include_self=include_self))

    def cached(self, name: str, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """The array `make` gives, from the scratch folder where it was made before."""
        path = self.scratch / f"{name}.npy"
        if not path.exists():
            with atomic_file(path) as temporary, temporary.open("wb") as file:
                np.save(file, make())
        return np.load(path, mmap_mode="r")


def draw_neighbours(
    neighbours: NDArray[np.int32], batch: NDArray[np.int64], draw: np.random.Generator
) -> Tensor:
    """One random neighbour (b,), int64, for each row of `batch` (b,)."""
    chosen = draw.integers(neighbours.shape[1], size=len(batch))
    return torch.from_numpy(neighbours[batch, chosen].astype(np.int64))
