"""Training a head, and writing what a partition is, so that all after it is the same."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from sortal.configs.errors import UsageError
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.rows import FloatArray
from sortal.storage.vector_sets import FileVectors, open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import normalise
from sortal.tasks.clustering.assignments import assignments_table
from sortal.tasks.encoders.base import device_of
from sortal.tasks.evaluation.agreement import accuracy, confusion
from sortal.tasks.heads.data import BLOCK, Data
from sortal.tasks.heads.inputs import HeadInputs
from sortal.tasks.heads.load import open_data
from sortal.tasks.heads.method import Method
from sortal.tasks.heads.methods.glad import Glad
from sortal.tasks.heads.methods.mca import Mca
from sortal.tasks.heads.methods.sac import Sac
from sortal.tasks.heads.methods.sic import Sic
from sortal.tasks.heads.methods.tac import Tac
from sortal.tasks.heads.outputs import PER_IMAGE, WEIGHTS
from sortal.tasks.heads.trainer import History, Labels, Score, probability_blocks, survey, train

METHODS: dict[str, type[Method]] = {
    "tac": Tac,
    "sic": Sic,
    "mca": Mca,
    "sac": Sac,
    "glad": Glad,
}
_SHARD = 8  # blocks of probabilities a file


class Groups(NamedTuple):
    """Clusters of a trained head, by decreasing size.

    `order` (n_clusters,): the head's output behind each cluster. `labels`, `probabilities`,
    `distances` (n,); `centres` (n_clusters, dim), unit.
    """

    order: NDArray[np.int64]
    labels: Labels
    probabilities: FloatArray
    distances: FloatArray
    centres: FloatArray


def fit(
    folder: Path,
    scratch: Path,
    workspace: Workspace,
    inputs: HeadInputs,
) -> Written:
    """Train in `scratch` and write into `folder`; see the step `head`."""
    config, n_clusters, random_state = inputs.config, inputs.n_clusters, inputs.random_state
    rows = open_vectors(workspace, inputs.images)
    config.check(rows.shape[0], n_clusters)
    method = METHODS[config.method](config)
    data = open_data(
        workspace,
        inputs,
        method,
        scratch,
        n_clusters=n_clusters,
        random_state=random_state,
        device=device_of(config.trainer.device),
    )
    score = _score(workspace, inputs.scan, rows.keys) if config.selection == "paper" else None
    trainer = config.trainer.fitted(len(rows.keys), n_clusters)
    history = train(method, data, trainer, score)
    vectors = FileVectors(sorted(inputs.fused.folder(workspace).glob("vectors-*.parquet")))
    found = grouped(method, data, vectors)
    table = assignments_table(rows.keys, found.labels, found.distances, found.probabilities)
    pq.write_table(table, folder / "assignments.parquet")
    np.save(folder / "centres.npy", found.centres)
    _write_probabilities(folder, rows.keys, method, data, found.order)
    weights = {"order": torch.from_numpy(found.order), **method.state_dict()}
    save_file({k: v.cpu().contiguous() for k, v in weights.items()}, folder / WEIGHTS)
    pq.write_table(history_table(history), folder / "history.parquet")
    if figures := method.per_image(data):
        columns = {"key": pa.array(rows.keys, pa.string()), **figures}
        pq.write_table(pa.table(columns), folder / PER_IMAGE, compression="zstd")
    shutil.rmtree(scratch, ignore_errors=True)
    sizes = np.bincount(found.labels, minlength=n_clusters).tolist()
    facts = {**method.facts(), **last_figures(history), "batch_size": trainer.batch_size}
    return Written(rows=len(rows.keys), facts={**facts, "sizes": sizes})


def grouped(method: Method, data: Data, vectors: FileVectors) -> Groups:
    """Clusters by the head's most probable output, with centres among the fused `vectors`."""
    seen = survey(method, data)
    sizes = np.bincount(seen.labels, minlength=data.n_clusters)
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order))
    labels = rank[seen.labels]
    centres = unit_means(vectors, labels, data.n_clusters)
    return Groups(order, labels, seen.probabilities, distances(vectors, labels, centres), centres)


def unit_means(vectors: FileVectors, labels: Labels, n_clusters: int) -> FloatArray:
    """Unit means (n_clusters, dim) of the rows of each label, accumulated in float64.

    An empty cluster's is opposite to the mean of all rows, so that no new image is near it.
    """
    sums = np.zeros((n_clusters, vectors.shape[1]))
    start = 0
    for block in vectors.blocks(BLOCK):
        np.add.at(sums, labels[start : start + len(block)], block)
        start += len(block)
    sums[np.bincount(labels, minlength=n_clusters) == 0] = -sums.sum(axis=0)
    return normalise(sums.astype(np.float32))


def distances(vectors: FileVectors, labels: Labels, centres: FloatArray) -> FloatArray:
    """Cosine distances (n,) of rows to the centres of their labels."""
    pieces, start = [], 0
    for block in vectors.blocks(BLOCK):
        own = centres[labels[start : start + len(block)]]
        pieces.append(1.0 - np.einsum("nd,nd->n", normalise(block), own))
        start += len(block)
    return np.clip(np.concatenate(pieces), 0.0, 2.0).astype(np.float32)


def history_table(history: History) -> pa.Table:
    """Arrow table with epoch (int32, from 0), name and value (float64)."""
    epochs, names, values = zip(*history, strict=True)
    return pa.table(
        {
            "epoch": pa.array(epochs, pa.int32()),
            "name": pa.array(names, pa.string()),
            "value": pa.array(values, pa.float64()),
        }
    )


def last_figures(history: History) -> dict[str, float]:
    """The last epoch's figures, and how many epochs there were."""
    last = history[-1][0]
    return {"epochs": last + 1, **{name: value for epoch, name, value in history if epoch == last}}


def _write_probabilities(
    folder: Path, keys: list[str], method: Method, data: Data, order: NDArray[np.int64]
) -> None:
    """Write `probabilities-00000.parquet`, ...: key and probabilities by cluster, float32."""
    blocks = _probability_tables(keys, method, data, order)
    for number, first in enumerate(blocks):
        path = folder / f"probabilities-{number:05d}.parquet"
        with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
            writer.write_table(first)
            for _, table in zip(range(_SHARD - 1), blocks, strict=False):
                writer.write_table(table)


def _probability_tables(
    keys: list[str], method: Method, data: Data, order: NDArray[np.int64]
) -> Iterator[pa.Table]:
    start = 0
    for block in probability_blocks(method, data):
        ordered = block.numpy()[:, order]
        flat = pa.array(np.ascontiguousarray(ordered).reshape(-1), pa.float32())
        column = pa.FixedSizeListArray.from_arrays(flat, data.n_clusters)
        part = pa.array(keys[start : start + len(block)], pa.string())
        yield pa.table({"key": part, "probabilities": column})
        start += len(block)


def _score(workspace: Workspace, scan: Artifact | None, keys: list[str]) -> Score:
    """Accuracy of labels (n,) against the collection's, file by file, as evaluation counts it."""
    if scan is None or not scan.facts["n_labelled"]:
        raise UsageError(
            "head.selection=paper picks the epoch by the images' labels, and there are none; "
            "use head.selection=fixed"
        )
    table = pq.read_table(scan.file(workspace, "images.parquet"), columns=["key", "label"])
    table = table.filter(pc.is_valid(table["label"]))
    places = pc.index_in(table["key"], value_set=pa.array(keys, pa.string()))
    known = pc.is_valid(places)
    truth = table["label"].filter(known).combine_chunks().dictionary_encode().indices.to_numpy()
    rows = places.filter(known).to_numpy()
    return lambda labels: accuracy(confusion(truth, labels[rows]))
