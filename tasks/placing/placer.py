"""Placing: images that a run has not seen go to its clusters, from what the run stored.

Nothing is solved or fitted: counterparts come from the stored potentials, and the mean that is
removed is that of the run's images, so an image of the run gets the cluster it has.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sortal.configs.commands.assign import AssignConfig
from sortal.configs.errors import UsageError
from sortal.configs.schema import RunConfig
from sortal.storage.artifacts import Artifact
from sortal.storage.rows import FloatArray
from sortal.storage.vector_sets import VectorSet
from sortal.storage.vectors import ROW_GROUP
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import normalise
from sortal.tasks.clustering.assignments import ASSIGNMENTS, CENTRES
from sortal.tasks.clustering.density import MEMBERS, Members
from sortal.tasks.fusion.evening import EVENING
from sortal.tasks.fusion.fuser import FuseInputs, Fuser, open_fuser
from sortal.tasks.heads.outputs import WEIGHTS
from sortal.tasks.transport.potential import POTENTIAL

if TYPE_CHECKING:
    from sortal.tasks.heads.predict import Head

PLACED = pa.schema(
    {
        "key": pa.string(),
        "cluster": pa.int32(),
        "distance": pa.float32(),
        "next_cluster": pa.int32(),
        "next_distance": pa.float32(),
        "threshold": pa.float32(),
        "unlike": pa.bool_(),
    }
)


def files_needed(config: RunConfig) -> dict[str, tuple[str, ...]]:
    """The files that placing reads, by the role of their artifact in the run."""
    files: dict[str, tuple[str, ...]] = {
        "image_vectors": ("mean.npy",),
        "partition": (ASSIGNMENTS, CENTRES),
    }
    if config.head.method != "none":
        files["partition"] = (*files["partition"], WEIGHTS)
    if config.partition.method == "density":
        files["partition"] = (*files["partition"], MEMBERS)
    if config.fusion.evened:
        files["fused"] = (EVENING,)
    for name in config.fusion.modalities:
        files[f"view.{name}"] = ("mean.npy",)
    for name in spaces_read(config):
        files |= {f"{name}.space": ("space.parquet",), f"{name}.transport": (POTENTIAL,)}
    return files


def spaces_fused(config: RunConfig) -> list[str]:
    """The spaces whose counterparts the method fuses; the others only name clusters."""
    used = {
        "noun": config.nouns.fuse and config.nouns.source != "none",
        "caption": config.captions.fuse and config.captions.source != "none",
    }
    return [name for name, fused in used.items() if fused]


def spaces_read(config: RunConfig) -> list[str]:
    """The spaces whose counterparts place an image: those fused, and those the head decides by."""
    read = config.head.reads.deciding
    fused = spaces_fused(config)
    return [name for name in ("noun", "caption") if name in (*fused, *read)]


def two_nearest(block: FloatArray, centres: FloatArray, spherical: bool) -> NDArray[np.int64]:
    """The two nearest centres (b, 2) of each row, nearest first, as k-means measures it.

    That is by cosine where `spherical`, else by Euclidean distance.
    """
    rows = normalise(block) if spherical else block
    labels: NDArray[np.int64] = faiss.knn(rows, np.ascontiguousarray(centres), 2)[1]
    return labels


def distances_to(block: FloatArray, centres: FloatArray, labels: NDArray[np.int64]) -> FloatArray:
    """Cosine distances (b, k) of rows (b, d) to the centres `labels` (b, k)."""
    cosines = np.einsum("bd,bkd->bk", normalise(block), normalise(centres)[labels])
    found: FloatArray = np.clip(1.0 - cosines, 0.0, 2.0)
    return found


def thresholds(
    clusters: NDArray[np.integer], distances: FloatArray, n_clusters: int, config: AssignConfig
) -> FloatArray:
    """The distance above which an image is unlike its cluster, shape (n_clusters,).

    It is the quantile `config.quantile` of the distances of the run's own images of that
    cluster; of all its images for a cluster of fewer than `config.min_images`.
    """
    distances, clusters = distances[clusters >= 0], clusters[clusters >= 0]
    if not n_clusters:
        return np.empty(0, dtype=np.float32)
    found = np.full(n_clusters, np.quantile(distances, config.quantile), dtype=np.float32)
    order = np.argsort(clusters, kind="stable")
    ends = np.cumsum(np.bincount(clusters, minlength=n_clusters))
    for cluster, rows in enumerate(np.split(order, ends[:-1])):
        if len(rows) >= config.min_images:
            found[cluster] = np.quantile(distances[rows], config.quantile)
    return found


@dataclass(frozen=True)
class Placer:
    """Puts image vectors into the clusters of a run.

    `centres` (n_clusters, d') and `thresholds` (n_clusters,) are the run's; `head` is its
    trained head, which then says the cluster, `members` what a partition by density was fitted on.
    """

    fuser: Fuser
    centres: FloatArray
    spherical: bool
    thresholds: FloatArray
    head: "Head | None" = None
    members: Members | None = None

    def place(self, keys: list[str], vectors: FloatArray) -> pa.Table:
        """Where image vectors (b, d) belong, a row each.

        Columns PLACED: distances are cosine distances to the centres, `next_cluster` is the
        second nearest (for a trained head, the second most probable), and `unlike` says that the
        distance is above the threshold. An image of no kind has the cluster -1, and is unlike.
        """
        modalities = self.fuser.modalities(_stored(vectors))
        fused = _stored(self.fuser.fuse(modalities)[0])
        if self.members is not None:
            return self._by_density(keys, fused, self.members)
        labels = self._two_best(modalities, fused)
        distances = distances_to(fused, self.centres, labels)
        limits = self.thresholds[labels[:, 0]]
        columns = {
            "key": keys,
            "cluster": labels[:, 0].astype(np.int32),
            "distance": distances[:, 0],
            "next_cluster": labels[:, 1].astype(np.int32),
            "next_distance": distances[:, 1],
            "threshold": limits,
            "unlike": distances[:, 0] > limits,
        }
        return pa.table(columns, schema=PLACED)

    def _by_density(self, keys: list[str], fused: FloatArray, members: Members) -> pa.Table:
        """As `place`: the cluster of the nearest member, or none; what does not exist is null."""
        own = members.placed(normalise(fused) if self.spherical else fused)
        far = np.full((len(fused), len(self.centres) + 1), np.inf, dtype=np.float32)
        far[:, :-1] = np.clip(1.0 - normalise(fused) @ normalise(self.centres).T, 0.0, 2.0)
        line = np.arange(len(own))
        limits = np.r_[self.thresholds, np.float32(np.inf)][own]  # the last is that of no kind
        distance = np.where(own >= 0, far[line, own], far.min(axis=1))
        far[line, own] = np.inf
        second, there = far.argmin(axis=1), np.isfinite(far.min(axis=1))
        columns = {
            "key": pa.array(keys, pa.string()),
            "cluster": pa.array(own, pa.int32()),
            "distance": pa.array(distance, pa.float32(), mask=~np.isfinite(distance)),
            "next_cluster": pa.array(second, pa.int32(), mask=~there),
            "next_distance": pa.array(far[line, second], pa.float32(), mask=~there),
            "threshold": pa.array(limits, pa.float32(), mask=own < 0),
            "unlike": pa.array((own < 0) | (distance > limits), pa.bool_()),
        }
        return pa.table(columns, schema=PLACED)

    def _two_best(self, modalities: dict[str, FloatArray], fused: FloatArray) -> NDArray[np.int64]:
        if self.head is None:
            return two_nearest(fused, self.centres, self.spherical)
        return self.head.two_best(modalities, fused)

    def place_all(self, blocks: Iterable[tuple[list[str], FloatArray]]) -> pa.Table:
        """`place` over blocks of (keys, vectors); holds one block besides the rows."""
        parts = [self.place(keys, vectors) for keys, vectors in blocks]
        return pa.concat_tables([PLACED.empty_table(), *parts])


def open_placer(
    workspace: Workspace, parts: dict[str, Artifact], config: RunConfig, assign: AssignConfig
) -> Placer:
    """The placer of a run from its artifacts by role (see `files_needed`) and configuration."""
    names, fused = spaces_read(config), spaces_fused(config)
    inputs = FuseInputs(
        images=parts["image_vectors"],
        spaces={name: parts[f"{name}.space"] for name in names},
        transports={name: parts[f"{name}.transport"] for name in names},
        transport=config.transport,
        config=config.fusion,
        modalities={name: parts[f"view.{name}"] for name in config.fusion.modalities} or None,
    )
    unfused = tuple(name for name in names if name not in fused)
    fuser = open_fuser(workspace, inputs, unfused, parts.get("fused"))
    partition = parts["partition"]
    centres: FloatArray = np.load(partition.file(workspace, CENTRES))
    own = pq.read_table(partition.file(workspace, ASSIGNMENTS))
    limits = thresholds(own["cluster"].to_numpy(), own["distance"].to_numpy(), len(centres), assign)
    head = None
    if config.head.method != "none":
        from sortal.tasks.heads.predict import load_head

        head = load_head(partition.file(workspace, WEIGHTS), config.head)
    members = None
    if config.partition.method == "density":
        members = Members.read(partition.file(workspace, MEMBERS))
    return Placer(fuser, centres, config.partition.spherical, limits, head, members)


def stored_blocks(rows: VectorSet) -> Iterator[tuple[list[str], FloatArray]]:
    """(keys, vectors) of a set of stored vectors, a block at a time."""
    done = 0
    for block in rows.blocks(ROW_GROUP):
        yield rows.key_column.slice(done, len(block)).to_pylist(), block
        done += len(block)


def _stored(vectors: FloatArray) -> FloatArray:
    """Rounded as a run's vectors are when they are kept, so that equal images stay equal."""
    return vectors.astype(np.float16).astype(np.float32)


def check_dim(config: RunConfig, dim: int, placer: Placer) -> None:
    """Refuse ready-made vectors that cannot be of the run's model; raises UsageError."""
    expected = len(placer.fuser.mean)
    if dim != expected:
        raise UsageError(
            f"vectors must have the {expected} dimensions of the run's ({config.encoder.spec}), "
            f"got {dim}; make them with the same model"
        )
