"""The steps of classes that are given: their names, each image's class, and what kinds are called.

CLIP's zero-shot classification (docs/methods.md#zero-shot).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sortal.configs.errors import UsageError
from sortal.configs.modalities import ClassesConfig, NamingConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.hashing import hash_strings, hash_text
from sortal.storage.rows import FloatArray, read_all
from sortal.storage.vector_sets import open_vectors
from sortal.storage.vectors import ROW_GROUP
from sortal.storage.workspace import Workspace
from sortal.tasks.classes.names import names_in, names_of
from sortal.tasks.clustering.assignments import ASSIGNMENTS, CENTRES, assignments_table
from sortal.tasks.corpora.corpus import CORPUS, read_corpus
from sortal.tasks.naming.step import write_names
from sortal.tasks.step import step

CLASSES = "classes.parquet"


def _state(_workspace: Workspace, inputs: "ClassNamesInputs") -> str | None:
    file = inputs.config.file
    return hash_strings(names_in(file)) if file else None


@dataclass(frozen=True, kw_only=True)
class ClassNamesInputs:
    """Inputs of `class_names`; `scan` is there where labels say the names."""

    config: ClassesConfig
    scan: Artifact | None = None


@step("classes", ClassNamesInputs, state=_state)
def class_names(folder: Path, workspace: Workspace, inputs: ClassNamesInputs) -> Written:
    """Write `corpus.parquet`: key and text of each class. Raises UsageError for less than two."""
    file = inputs.config.file
    names = names_in(file) if file else names_of(_labels(workspace, inputs.scan))
    table = pa.table({"key": [hash_text(name) for name in names], "text": names})
    pq.write_table(table, folder / CORPUS)
    return Written(rows=len(names), identity=hash_strings(names))


def _labels(workspace: Workspace, scan: Artifact | None) -> list[str]:
    if scan is None or not scan.facts["n_labelled"]:
        raise UsageError(
            "classes.names=labels needs images with labels, got none; give a file with a name a "
            "line: --set classes.names=FILE"
        )
    table = pq.read_table(scan.file(workspace, "images.parquet"), columns=["label"])
    found: list[str] = pc.unique(table["label"].drop_null()).to_pylist()
    return found


@dataclass(frozen=True, kw_only=True)
class ZeroShotInputs:
    """Inputs of `zero_shot`: `texts` are the vectors of the names in `classes`."""

    images: Artifact
    classes: Artifact
    texts: Artifact


@step("partition", ZeroShotInputs)
def zero_shot(folder: Path, workspace: Workspace, inputs: ZeroShotInputs) -> Written:
    """Write what `partition` writes, and `classes.parquet` (cluster, name).

    An image's cluster is the class whose text has the largest cosine to it; centres are the texts'
    vectors. Cluster ids are by decreasing size.
    """
    rows, texts = open_vectors(workspace, inputs.images), open_vectors(workspace, inputs.texts)
    vectors = read_all(texts)
    best = [_nearest(block @ vectors.T) for block in rows.blocks(ROW_GROUP)]
    labels, cosines = (np.concatenate(parts) for parts in zip(*best, strict=True))
    sizes = np.bincount(labels, minlength=len(vectors))
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order))
    away = np.clip(1.0 - cosines, 0.0, 2.0).astype(np.float32)
    pq.write_table(assignments_table(rows.key_column, rank[labels], away), folder / ASSIGNMENTS)
    np.save(folder / CENTRES, vectors[order])
    corpus = read_corpus(workspace, inputs.classes, ["key", "text"]).to_pydict()
    name_of = dict(zip(corpus["key"], corpus["text"], strict=True))
    names = [name_of[texts.keys[number]] for number in order]
    numbers = pa.array(range(len(names)), pa.int32())
    pq.write_table(pa.table({"cluster": numbers, "name": names}), folder / CLASSES)
    return Written(rows=len(labels), facts={"sizes": sizes[order].tolist()})


def _nearest(cosines: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    """The class (b,) of the largest of cosines (b, C), and that cosine (b,)."""
    found = cosines.argmax(axis=1)
    return found, np.take_along_axis(cosines, found[:, None], axis=1)[:, 0]


@dataclass(frozen=True, kw_only=True)
class NameByClassInputs:
    """Inputs of `name_by_class`: a partition that `zero_shot` made."""

    partition: Artifact
    config: NamingConfig


@step("names", NameByClassInputs)
def name_by_class(folder: Path, workspace: Workspace, inputs: NameByClassInputs) -> Written:
    """Write what `name_clusters` writes: each cluster has its class's name, and no terms."""
    names = pq.read_table(inputs.partition.file(workspace, CLASSES))["name"].to_pylist()
    assignments = pq.read_table(inputs.partition.file(workspace, ASSIGNMENTS))
    write_names(folder, assignments, names, inputs.config)
    return Written(rows=len(names), facts={"names": names[:100]})
