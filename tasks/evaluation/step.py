"""Evaluation: the steps that measure a run. Labels are used here and nowhere else.

`agreement.py`, `label_free.py` and `names.py` hold the figures; `metrics.py` says what they mean.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sortal.configs.encoder import EncoderConfig
from sortal.configs.evaluation import EvaluationConfig
from sortal.configs.partition import PartitionConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.hashing import hash_text
from sortal.storage.vector_sets import open_file_vectors, open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.clustering.assignments import ASSIGNMENTS, NO_KIND, labels_of
from sortal.tasks.corpora.bank import is_own, table_of
from sortal.tasks.corpora.corpus import read_corpus
from sortal.tasks.embedding.model import PinnedEncoder
from sortal.tasks.embedding.texts import fill_texts, packaged_of
from sortal.tasks.encoders import vectors
from sortal.tasks.evaluation.agreement import confusion, recalls, score, size_entropy
from sortal.tasks.evaluation.label_free import column_entropy, geometry, without_missing
from sortal.tasks.evaluation.names import Senses, closeness, matches
from sortal.tasks.evaluation.resampling import resampled
from sortal.tasks.labels.compared import are_compared
from sortal.tasks.naming.words import base
from sortal.tasks.step import step

METRICS = "metrics.parquet"
CONFUSION = "confusion.parquet"
RESAMPLED = "resampled.parquet"


def join_labels(images: pa.Table, assignments: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """Labelled and assigned rows (key, label, cluster), and what was left out.

    Each file counts once, so two files of the same bytes are two images, as in the benchmarks'
    protocols. Counts: n_labelled (compared), n_unlabelled (assigned, no label) and n_unassigned
    (labelled, but failed). No row where labels cannot tell anything (`are_compared`).
    """
    left = images.select(["key", "label"])
    joined = left.join(assignments.select(["key", "cluster"]), "key", join_type="left outer")
    labelled, assigned = pc.is_valid(joined["label"]), pc.is_valid(joined["cluster"])
    both = pc.and_(labelled, assigned)
    rows = joined.filter(both).select(["key", "label", "cluster"])
    n_classes = pc.count_distinct(rows["label"]).as_py()
    rows = rows if are_compared(rows.num_rows, n_classes) else rows.slice(0, 0)
    counts = {
        "n_labelled": rows.num_rows,
        "n_unlabelled": pc.sum(pc.and_not(assigned, labelled)).as_py() or 0,
        "n_unassigned": pc.sum(pc.and_not(labelled, assigned)).as_py() or 0,
    }
    return rows, counts


def class_recalls(shares: NDArray[np.float64], labels: list[str], most: int) -> dict[str, float]:
    """`recall.<class>` of every class; nothing where there are more than `most` of them."""
    if len(labels) > most:
        return {}
    return {f"recall.{name}": float(share) for name, share in zip(labels, shares, strict=True)}


@dataclass(frozen=True, kw_only=True)
class EvaluateInputs:
    """Inputs of `evaluate`."""

    scan: Artifact
    partition: Artifact
    config: EvaluationConfig


@step("metrics", EvaluateInputs, version=2)
def evaluate(folder: Path, workspace: Workspace, inputs: EvaluateInputs) -> Written:
    """Write `metrics.parquet` (name, value) against labels, and `confusion.parquet`.

    The latter counts images by label and cluster. Only counts where there is nothing to compare.
    """
    images = pq.read_table(inputs.scan.file(workspace, "images.parquet"), columns=["key", "label"])
    assignments = pq.read_table(inputs.partition.file(workspace, ASSIGNMENTS))
    rows, values = join_labels(images, assignments)
    figures: dict[str, float] = {}
    if rows.num_rows:
        coded = rows["label"].combine_chunks().dictionary_encode()
        labels = coded.dictionary.to_pylist()
        clusters = rows["cluster"].to_numpy()
        counts, kindless = confusion(coded.indices.to_numpy(), clusters), clusters.min() < 0
        shares = recalls(counts[:, int(kindless) :], counts.sum(axis=1))
        figures = score(counts, kindless)
        figures |= class_recalls(shares, labels, inputs.config.recall_classes)
    table = rows.group_by(["label", "cluster"]).aggregate([([], "count_all")])
    pq.write_table(table.rename_columns(["label", "cluster", "n_images"]), folder / CONFUSION)
    return _written(folder, figures | values)


@dataclass(frozen=True, kw_only=True)
class ResampleInputs:
    """Inputs of `resample`."""

    scan: Artifact
    partition: Artifact
    resamples: int


@step("resampled", ResampleInputs)
def resample(folder: Path, workspace: Workspace, inputs: ResampleInputs) -> Written:
    """Write `resampled.parquet` (resample, name, value): figures against labels on resamples."""
    images = pq.read_table(inputs.scan.file(workspace, "images.parquet"), columns=["key", "label"])
    rows, _ = join_labels(images, pq.read_table(inputs.partition.file(workspace, ASSIGNMENTS)))
    labels = rows["label"].combine_chunks().dictionary_encode().indices.to_numpy()
    clusters = rows["cluster"].to_numpy()
    found = list(resampled(rows["key"].to_pylist(), labels, clusters, inputs.resamples))
    numbers, names, values = zip(*found, strict=True) if found else ((), (), ())
    table = {
        "resample": pa.array(numbers, pa.int32()),
        "name": pa.array(names, pa.string()),
        "value": pa.array(values, pa.float64()),
    }
    pq.write_table(pa.table(table), folder / RESAMPLED)
    return Written(rows=len(found))


@dataclass(frozen=True, kw_only=True)
class EvaluateNamesInputs:
    """Inputs of `evaluate_names`."""

    metrics: Artifact
    names: Artifact
    corpus: Artifact
    encoder: EncoderConfig
    encoder_fingerprint: str
    templates: tuple[str, ...]


@step("name_metrics", EvaluateNamesInputs, version=2, state=packaged_of)
def evaluate_names(folder: Path, workspace: Workspace, inputs: EvaluateNamesInputs) -> Written:
    """Write `metrics.parquet` (name, value): whether the run's own names say the classes.

    Classes become texts under the nouns' `templates`; those the encoder does not know yet are
    embedded. With `vectors:`, only classes whose text has a vector are compared as texts.
    """
    clusters = pq.read_table(
        inputs.names.file(workspace, "clusters.parquet"), columns=["cluster", "name"]
    )
    pairs = zip(*clusters.to_pydict().values(), strict=True)
    named = {cluster: name for cluster, name in pairs if name}
    counts = pq.read_table(inputs.metrics.file(workspace, CONFUSION))
    classes, labels = majority(counts.filter(pc.not_equal(counts["cluster"], NO_KIND)))
    if not classes:
        return _written(folder, {})
    table = table_of(workspace, inputs.corpus)
    synsets = _synsets(workspace, inputs.corpus, list(map(base, named.values())))
    figures = matches(named, classes, synsets, table)
    senses = Senses(table)
    words = {label: senses.word(label) for label in labels}
    texts = [*dict.fromkeys([*words.values(), *map(base, named.values())])]
    if inputs.encoder.vectors:
        held = vectors.held(inputs.encoder.vectors)
        texts = [text for text in texts if text in held]
    keys = {hash_text(text): text for text in texts}
    encoder = PinnedEncoder(inputs.encoder, inputs.encoder_fingerprint)
    store = fill_texts(workspace, keys, encoder, inputs.templates, "class names")
    found = {keys[key]: vector for key, vector in store.take(list(keys)).items()}
    return _written(folder, figures | closeness(named, classes, words, found))


def majority(counts: pa.Table) -> tuple[dict[int, str], list[str]]:
    """The majority class of each cluster of a table (label, cluster, n_images), and all classes.

    Of classes that are as frequent, the first by name.
    """
    order = [("cluster", "ascending"), ("n_images", "descending"), ("label", "ascending")]
    rows = counts.sort_by(order).to_pydict()
    classes: dict[int, str] = {}
    for label, cluster in zip(rows["label"], rows["cluster"], strict=True):
        classes.setdefault(cluster, label)
    return classes, sorted(set(rows["label"]))


def _synsets(workspace: Workspace, corpus: Artifact, nouns: list[str]) -> dict[str, str]:
    table = read_corpus(workspace, corpus, ["text", "synset"])
    columns = table.filter(pc.is_in(table["text"], pa.array(nouns, pa.string()))).to_pydict()
    pairs = zip(columns["text"], columns["synset"], strict=True)
    return {text: synset for text, synset in pairs if synset and not is_own(synset)}


@dataclass(frozen=True, kw_only=True)
class LookAtClustersInputs:
    """Inputs of `look_at_clusters`."""

    images: Artifact
    fused: Artifact
    partition: Artifact
    transports: dict[str, Artifact]
    config: EvaluationConfig
    kmeans: PartitionConfig | None
    n_clusters: int
    random_state: int


@step("label_free", LookAtClustersInputs)
def look_at_clusters(folder: Path, workspace: Workspace, inputs: LookAtClustersInputs) -> Written:
    """Write `metrics.parquet` (name, value): what can be said of clusters without any label.

    `kmeans`: the settings that made the partition, for its stability; None for others than k-means.
    """
    rows = open_vectors(workspace, inputs.images)
    assignments = pq.read_table(inputs.partition.file(workspace, ASSIGNMENTS))
    labels = labels_of(rows.key_column, assignments)
    shards = open_file_vectors(workspace, inputs.fused)
    rng = np.random.default_rng(inputs.random_state)
    refit = (inputs.n_clusters, inputs.kmeans) if inputs.kmeans else None
    figures = geometry(rows, shards, labels, inputs.config, rng, refit)
    inside = labels[labels != NO_KIND]
    if inputs.n_clusters > 1:
        figures["size_entropy"] = size_entropy(inside, inputs.n_clusters)
    if len(inside) < len(labels):
        figures["kind_share"] = len(inside) / len(labels)
    for name, solved in inputs.transports.items():
        figures[f"entropy_{name}"] = column_entropy(solved)
    return _written(folder, without_missing(figures))


def _written(folder: Path, values: dict[str, float]) -> Written:
    table = {"name": list(values), "value": pa.array(values.values(), pa.float64())}
    pq.write_table(pa.table(table), folder / METRICS)
    return Written(rows=len(values))
