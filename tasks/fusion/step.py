"""Fusion: image, noun and caption vectors of one image become one vector.

Images are streamed once; all counterparts are made in the same pass, and only shards are kept.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.errors import RunError
from sortal.storage.artifacts import Written, write_part
from sortal.storage.atomic import wait_for
from sortal.storage.rows import FloatArray
from sortal.storage.vector_sets import open_vectors, shard_name, write_shard
from sortal.storage.vectors import ROW_GROUP, key_column
from sortal.storage.workspace import Workspace
from sortal.tasks.executor.base import How
from sortal.tasks.executor.current import executor
from sortal.tasks.fusion.evening import EVENING, Evening, fit_evening
from sortal.tasks.fusion.fuser import (
    MODALITIES,
    FuseInputs,
    Fuser,
    Together,
    open_fuser,
)
from sortal.tasks.step import step

log = logging.getLogger("sortal")

_SHARD_ROWS = 16 * ROW_GROUP
_SHARDS = 4  # of each worker, at least
_LOST = 0.05  # mean weight under which the image no longer matters


Block = tuple[FloatArray, dict[str, FloatArray]]


class Shard(NamedTuple):
    """Rows that become one file: its number, the first row, and the one after the last."""

    number: int
    start: int
    stop: int


class Fused:
    """`Rows` (n, d') of fused vectors, made from the images' a block at a time."""

    def __init__(self, rows: Together, fuser: Fuser) -> None:
        self._rows = rows
        self._fuser = fuser

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, dim)."""
        first = next(iter(self._rows.blocks(1)))
        return self._rows.images.shape[0], self._fuser(*first)[0].shape[1]

    def blocks(self, size: int) -> Iterator[FloatArray]:
        """Consecutive blocks of at most `size` rows."""
        for block, further in self._rows.blocks(size):
            yield self._fuser(block, further)[0]


def weights_table(
    keys: Sequence[str] | pa.ChunkedArray, columns: dict[str, FloatArray]
) -> pa.Table:
    """Arrow table with key and w_image, w_noun, w_caption (float32; unused modalities are 0).

    Further modalities have a column each as well.
    """
    unused = np.zeros(len(keys), dtype=np.float32)
    names = dict.fromkeys([*MODALITIES, *columns])
    shares = {f"w_{name}": columns.get(name, unused).astype(np.float32) for name in names}
    return pa.table({"key": key_column(keys), **shares})


@step("fused", FuseInputs, version=1)
def fuse(folder: Path, workspace: Workspace, inputs: FuseInputs) -> Written:
    """Write `vectors-00000.parquet`, ... (key, vector) and `weights.parquet`.

    Without any space the vectors are the images' own. Where directions are evened, `evening.npz`
    says how: as `earlier` does, where it can. Raises `RunError` when there is no image.
    """
    rows = open_vectors(workspace, inputs.images)
    if not rows.shape[0]:
        raise RunError("fusion needs at least one readable image, got 0; check the source")
    fuser = open_fuser(workspace, inputs)
    together = Together.open(workspace, inputs)
    if inputs.config.evened:
        evening = _evening(workspace, inputs, Fused(together, fuser))
        evening.save(folder / EVENING)
        fuser = replace(fuser, evening=evening)
    work = FuseShards(workspace, folder, together, fuser)
    shares, parts = _write_fused(work)
    names = ["image", *fuser.spaces, *fuser.further]
    columns = dict(zip(names, shares.T, strict=True))
    pq.write_table(weights_table(rows.key_column, columns), folder / "weights.parquet")
    facts = {"mean_weights": _mean_weights(columns)}
    return Written(rows=rows.shape[0], facts=facts, parts=parts)


@dataclass(frozen=True)
class FuseShards:
    """Fuses rows of `together` and writes them into `folder`; the work of an executor."""

    workspace: Workspace
    folder: Path
    together: Together
    fuser: Fuser

    def __call__(self, shard: Shard) -> tuple[FloatArray, dict[str, Any] | None]:
        """Write a shard, and give the weights (b, m) of its rows, and how it is published."""
        rows = self.together.between(shard.start, shard.stop)
        shares: list[FloatArray] = []

        def fused() -> Iterator[FloatArray]:
            for out, share in self._each(rows.blocks(ROW_GROUP)):
                shares.append(share)
                yield out

        keys = rows.images.key_column.combine_chunks()
        entry = write_part(
            *(self.workspace, self.folder, shard_name(shard.number)),
            lambda path: write_shard(path, keys, fused()),
        )
        return np.concatenate(shares), entry

    def _each(self, blocks: Iterator[Block]) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Fused vectors and weights of each block; of images alone without torch's threads."""
        if not self.fuser.spaces:
            yield from (self.fuser(*block) for block in blocks)
            return
        from sortal.tasks.threads import ThreadPool

        with ThreadPool() as threads:
            yield from threads.map(lambda block: self.fuser(*block), blocks)


def _write_fused(work: FuseShards) -> tuple[FloatArray, dict[str, dict[str, Any]]]:
    """Write the fused vectors of all rows in shards; their weights (n, m), and those published."""
    rows = work.together.images
    parts, total = executor().parts(rows), rows.shape[0]
    size = _SHARD_ROWS
    if parts:  # some for each worker
        size = min(size, -(-total // (_SHARDS * len(parts) * ROW_GROUP)) * ROW_GROUP)
    starts = range(0, total, size)
    shards = [Shard(n, start, min(start + size, total)) for n, start in enumerate(starts)]
    found = list(executor().map(work, shards, How(spread=parts is not None)))
    entries = {shard_name(n): entry for n, (_, entry) in enumerate(found)}
    wait_for(work.folder / name for name, entry in entries.items() if entry is None)
    published = {name: entry for name, entry in entries.items() if entry is not None}
    return np.concatenate([share for share, _ in found]), published


def _evening(workspace: Workspace, inputs: FuseInputs, fused: Fused) -> Evening:
    """The earlier run's, so that what it found can be compared with this; else a new one."""
    path = inputs.earlier.file(workspace, EVENING) if inputs.earlier else None
    if path and path.exists():
        return Evening.load(path)
    return fit_evening(fused, inputs.config.evened)


def _mean_weights(columns: dict[str, FloatArray]) -> dict[str, float]:
    means = {name: float(column.mean(dtype=np.float64)) for name, column in columns.items()}
    if means["image"] < _LOST:
        log.warning(
            "the image is being lost: its mean fusion weight is %.2g; "
            "centre the modalities or raise fusion.gamma",
            means["image"],
        )
    return means
