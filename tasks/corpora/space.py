"""Reading a semantic space: the vectors of its texts, and what their corpus knows of them."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.storage.artifacts import Artifact
from sortal.storage.rows import FloatArray
from sortal.storage.vectors import vectors_of
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import centre, mean_of
from sortal.tasks.corpora.corpus import read_corpus

COMPARED = "compared"  # a column of a space whose vectors are not those of its corpus


def space_table(workspace: Workspace, space: Artifact, corpus: Artifact | None) -> pa.Table:
    """The space's texts in their order, with what the corpus knows of them."""
    texts = pq.read_table(space.file(workspace, "space.parquet"), columns=["key", "text"])
    if corpus is None:
        return texts
    known = read_corpus(workspace, corpus).drop_columns(["text"])
    places = pc.index_in(texts["key"], value_set=known["key"].combine_chunks())
    for name in known.drop_columns(["key"]).column_names:
        texts = texts.append_column(name, known[name].take(places))
    return texts


def compared_texts(workspace: Workspace, space: Artifact) -> FloatArray:
    """Vectors of shape (M, d) by which the space's texts were chosen from their corpus."""
    path = space.file(workspace, "space.parquet")
    name = COMPARED if COMPARED in pq.read_schema(path).names else "vector"
    return vectors_of(pq.read_table(path, columns=[name]).rename_columns(["vector"]))


def space_texts(
    workspace: Workspace, space: Artifact, centred: bool
) -> tuple[FloatArray, list[str]]:
    """Text vectors of shape (M, d), without their own mean where `centred`, and their keys."""
    table = pq.read_table(space.file(workspace, "space.parquet"), columns=["key", "vector"])
    texts = vectors_of(table)
    return centre(texts, mean_of(texts) if centred else None), table.column("key").to_pylist()
