"""Training a head, and writing what a partition is, so that all after it is the same."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

from sortal.configs.errors import UsageError
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.rows import FloatArray
from sortal.storage.vector_sets import FileVectors, open_file_vectors, open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import normalise
from sortal.tasks.clustering.assignments import ASSIGNMENTS, CENTRES, assignments_table
from sortal.tasks.evaluation.agreement import accuracy, confusion
from sortal.tasks.heads.data import BLOCK, Data
from sortal.tasks.heads.inputs import HeadInputs
from sortal.tasks.heads.load import open_data
from sortal.tasks.heads.method import Method
from sortal.tasks.heads.outputs import (
    HISTORY,
    PER_IMAGE,
    WEIGHTS,
    HeadClusters,
    History,
    Labels,
    history_table,
    last_figures,
    write_probabilities,
)
from sortal.tasks.heads.registry import method_of
from sortal.tasks.heads.trainer import Score, predict, probability_blocks, train


@dataclass(frozen=True)
class Trained:
    """A trained method, the images it was trained on, and what became of both."""

    method: Method
    data: Data
    keys: list[str]
    history: History
    clusters: HeadClusters


def fit(folder: Path, scratch: Path, workspace: Workspace, inputs: HeadInputs) -> Written:
    """Train in `scratch` and write into `folder`; see the step `head`."""
    config = inputs.config
    keys = open_vectors(workspace, inputs.images).keys
    config.check(len(keys), inputs.n_clusters)
    method = method_of(config)
    data = open_data(workspace, inputs, method, scratch)
    score = _score(workspace, inputs.scan, keys) if config.selection == "paper" else None
    trainer = config.trainer.fitted(len(keys), inputs.n_clusters)
    history = train(method, data, trainer, score)
    fused = open_file_vectors(workspace, inputs.fused)
    trained = Trained(method, data, keys, history, clusters_of(method, data, fused))
    write(folder, trained)
    shutil.rmtree(scratch, ignore_errors=True)
    sizes = np.bincount(trained.clusters.labels, minlength=inputs.n_clusters).tolist()
    facts = {**method.facts(), **last_figures(history), "batch_size": trainer.batch_size}
    return Written(rows=len(keys), facts={**facts, "sizes": sizes})


def write(folder: Path, trained: Trained) -> None:
    """Write the files that the step `head` names."""
    method, data, found = trained.method, trained.data, trained.clusters
    table = assignments_table(trained.keys, found.labels, found.distances, found.probabilities)
    pq.write_table(table, folder / ASSIGNMENTS)
    np.save(folder / CENTRES, found.centres)
    blocks = (block.numpy()[:, found.order] for block in probability_blocks(method, data))
    write_probabilities(folder, trained.keys, blocks)
    weights = {"order": torch.from_numpy(found.order), **method.state_dict()}
    save_file({k: v.cpu().contiguous() for k, v in weights.items()}, folder / WEIGHTS)
    pq.write_table(history_table(trained.history), folder / HISTORY)
    if figures := method.per_image(data):
        table = {"key": pa.array(trained.keys, pa.string()), **figures}
        pq.write_table(pa.table(table), folder / PER_IMAGE, compression="zstd")


def clusters_of(method: Method, data: Data, vectors: FileVectors) -> HeadClusters:
    """Clusters by the head's most probable output, with centres among the fused `vectors`."""
    found = predict(method, data)
    sizes = np.bincount(found.labels, minlength=data.n_clusters)
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order))
    labels = rank[found.labels]
    centres = unit_means(vectors, labels, data.n_clusters)
    away = distances(vectors, labels, centres)
    return HeadClusters(order, labels, found.probabilities, away, centres)


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
