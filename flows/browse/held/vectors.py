"""What a run decided by: fused vectors, the kinds' centres, and the probabilities of a head.

Vectors stay on the disk. Of a run, its keys and clusters are held; of a kind that was asked for,
its vectors too, where they are few.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sortal.configs.errors import RunError
from sortal.flows.browse.held.kept import Kept
from sortal.flows.operations.assign import StoredRun
from sortal.flows.operations.find import Hit
from sortal.storage.artifacts import Artifact, find
from sortal.storage.rows import FloatArray
from sortal.storage.vectors import ROW_GROUP
from sortal.storage.workspace import Workspace
from sortal.tasks.clustering.assignments import ASSIGNMENTS, CENTRES, labels_of
from sortal.tasks.placing.placer import distances_to, two_nearest

_HELD = 32_000_000  # bytes of a kind's vectors: 20,000 of 768 numbers fit
_ROOM = 128_000_000  # bytes of all kinds' vectors that are held
_ORDERS = 32_000_000  # bytes of kinds' orders by another
_MOST = 1000  # of either


class Second(NamedTuple):
    """The kind that an image would be of, were its own not there.

    Distances are cosine distances to the centres; probabilities are there where a head decides.
    """

    cluster: int
    distance: float
    own_distance: float
    probability: float | None = None
    own_probability: float | None = None


class Column:
    """A column of fixed-size lists over Parquet files, by row."""

    def __init__(self, files: list[Path], name: str) -> None:
        self._files, self._name = files, name
        counts = [pq.read_metadata(file).num_rows for file in files]
        self._starts = np.cumsum([0, *counts])

    def keys(self) -> pa.Array:
        """The keys of all rows."""
        parts = [pq.read_table(file, columns=["key"])["key"] for file in self._files]
        return pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string())

    def row(self, number: int) -> FloatArray:
        """One row (dim,), float32; reads one row group."""
        part = int(np.searchsorted(self._starts, number, side="right")) - 1
        file, left = pq.ParquetFile(self._files[part]), number - int(self._starts[part])
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            if left < size:
                read = file.read_row_group(group, columns=[self._name])
                return _plain(read.slice(left, 1), self._name)[0].astype(np.float32)
            left -= size
        raise IndexError(number)

    def pick(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.floating]]:
        """Blocks of the rows (sorted) as they are kept; reads all files, a row group at a time."""
        start = 0
        for file in self._files:
            for batch in pq.ParquetFile(file).iter_batches(ROW_GROUP, columns=[self._name]):
                first, last = np.searchsorted(rows, (start, start + batch.num_rows))
                if last > first:
                    yield _plain(batch, self._name)[rows[first:last] - start]
                start += batch.num_rows


def _plain(table: pa.Table | pa.RecordBatch, name: str) -> NDArray[np.floating]:
    column = table.column(name)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    flat: NDArray[np.floating] = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(column), -1)


@dataclass
class RunVectors:
    """The vectors of a run's images, as it fused them; `clusters` (n,) are -1 for images of none.

    `centres` (n_clusters, dim). `probabilities` are there where a trained head decides.
    """

    vectors: Column
    centres: FloatArray
    spherical: bool
    keys: pa.ChunkedArray
    clusters: NDArray[np.int64]
    probabilities: Column | None
    _held: Kept[NDArray[np.floating]] = field(
        default_factory=lambda: Kept(_MOST, lambda rows: rows.nbytes, _ROOM)
    )
    _orders: Kept[tuple[NDArray[np.int64], FloatArray]] = field(
        default_factory=lambda: Kept(_MOST, lambda two: two[0].nbytes + two[1].nbytes, _ORDERS)
    )
    _waiting: dict[int, None] = field(default_factory=dict)
    _turn: Lock = field(default_factory=Lock)

    @classmethod
    def open(cls, workspace: Workspace, run: StoredRun) -> "RunVectors":
        """Those of a run; raises RunError where they are gone or damaged."""
        parts = {role: _part(workspace, run, role) for role in ("fused", "partition")}
        try:
            folder = parts["partition"].folder(workspace)
            vectors = Column(_files(parts["fused"].folder(workspace), "vectors"), "vector")
            likely = _files(folder, "probabilities")
            keys = vectors.keys()
            return cls(
                vectors,
                np.load(folder / CENTRES),
                run.config.partition.spherical,
                keys,
                labels_of(keys, pq.read_table(folder / ASSIGNMENTS)),
                Column(likely, "probabilities") if likely else None,
            )
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise RunError(f"the vectors of run {run.run_id} cannot be read: {error}") from error

    def second(self, key: str) -> Second | None:
        """The second kind of an image; None for an image of no kind, or where there is one kind."""
        row = pc.index(self.keys, key).as_py()
        own = int(self.clusters[row]) if row >= 0 else -1
        if own < 0 or len(self.centres) < 2:
            return None
        vector = self.vectors.row(row)[None]
        if self.probabilities is None:
            two = two_nearest(vector, self.centres, self.spherical)[0]
            other = int(two[0] if two[0] != own else two[1])
        else:
            share = self.probabilities.row(row)
            other = int(np.argmax(np.where(np.arange(len(share)) == own, -1.0, share)))
        there, here = distances_to(vector, self.centres, np.array([[other, own]]))[0]
        second = Second(other, float(there), float(here))
        if self.probabilities is None:
            return second
        return second._replace(probability=float(share[other]), own_probability=float(share[own]))

    def nearest(self, cluster: int, other: int, skipped: int, count: int) -> list[Hit]:
        """Images of `cluster` by distance to the centre of `other`, which is their score.

        The first time that a kind is asked for, all vectors are read in one pass, a row group at
        a time (about a second for a million); those of the kind are then held in memory where
        they take 32 MB or less, so that its distances to any other centre take milliseconds; a pass
        serves all kinds that are waited for. Of a larger kind the distances alone are held, and
        each other centre costs a pass.
        """
        rows, distances = self._orders.get((cluster, other), lambda: self._order(cluster, other))
        shown = slice(skipped, skipped + count)
        keys = self.keys.take(pa.array(rows[shown])).to_pylist()
        return [Hit(*each) for each in zip(keys, distances[shown].tolist(), strict=True)]

    def _order(self, cluster: int, other: int) -> tuple[NDArray[np.int64], FloatArray]:
        rows = np.flatnonzero(self.clusters == cluster)
        blocks = self._blocks(cluster, rows)
        labels = np.array([[other]])
        parts = [
            distances_to(
                block.astype(np.float32), self.centres, np.repeat(labels, len(block), axis=0)
            )[:, 0]
            for block in blocks
        ]
        distances = np.concatenate([np.empty(0, np.float32), *parts])
        order = np.argsort(distances, kind="stable")
        return rows[order], distances[order]

    def _blocks(self, cluster: int, rows: NDArray[np.int64]) -> Iterator[NDArray[np.floating]]:
        if self._bytes(cluster) > _HELD:
            with self._turn:  # two at once would only share the disk and the cores
                yield from self.vectors.pick(rows)
            return
        held = self._vectors_of(cluster)
        for start in range(0, len(held), ROW_GROUP):
            yield held[start : start + ROW_GROUP]

    def _vectors_of(self, cluster: int) -> NDArray[np.floating]:
        """The vectors of a kind's images; a pass reads those of all kinds that wait for one."""
        found = self._held.peek(cluster)
        if found is not None:
            return found
        self._waiting[cluster] = None
        with self._turn:
            found = self._held.peek(cluster)
            if found is None:
                read = self._read(self._next(cluster))
                for each, vectors in read.items():
                    self._held.put(each, vectors)
                found = read[cluster]
        return found

    def _next(self, cluster: int) -> list[int]:
        """A kind and others that wait, as many as there is room for."""
        taken, size = [cluster], self._bytes(cluster)
        for each in list(self._waiting):
            size += self._bytes(each) if each != cluster else 0
            if each != cluster and size <= _ROOM:
                taken.append(each)
        for each in taken:
            self._waiting.pop(each, None)
        return taken

    def _read(self, clusters: list[int]) -> dict[int, NDArray[np.floating]]:
        """The vectors of kinds, by one pass over all vectors."""
        rows = np.flatnonzero(np.isin(self.clusters, clusters))
        parts: dict[int, list[NDArray[np.floating]]] = {each: [] for each in clusters}
        done = 0
        for block in self.vectors.pick(rows):
            own = self.clusters[rows[done : done + len(block)]]
            for each in clusters:
                parts[each].append(block[own == each])
            done += len(block)
        nothing = np.empty((0, self.centres.shape[1]), np.float16)
        return {each: np.concatenate([nothing, *found]) for each, found in parts.items()}

    def _bytes(self, cluster: int) -> int:
        return int((self.clusters == cluster).sum()) * self.centres.shape[1] * 2


def _files(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f"{name}-*.parquet"))


def _part(workspace: Workspace, run: StoredRun, role: str) -> Artifact:
    place = run.places.get(role)
    part = place and find(workspace, place["kind"], place["fingerprint"], only=())
    if not part:
        raise RunError(f"the vectors of run {run.run_id} are gone from {workspace.root}")
    return part
