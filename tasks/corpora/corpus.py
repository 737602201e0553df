"""The file of a corpus: a row for each text, with its key and what is known of it."""

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from sortal.storage.artifacts import Artifact
from sortal.storage.workspace import Workspace

CORPUS = "corpus.parquet"
EMBEDDED = "embedded"  # a column of those whose vectors are of more than the text: of its meaning
GLOSS = re.compile(r"[ _]*\([^()]*\)\s*$")  # "bat (animal)": what kind of bat a list means


def read_corpus(
    workspace: Workspace, corpus: Artifact, columns: Sequence[str] | None = None
) -> pa.Table:
    """The rows of a corpus, in its order: key, text, and for nouns synset and the like."""
    return pq.read_table(corpus.file(workspace, CORPUS), columns=columns and list(columns))


def read_prompts(workspace: Workspace, corpus: Artifact) -> dict[str, str]:
    """What is embedded of each text of a corpus, by key."""
    names = pq.read_schema(corpus.file(workspace, CORPUS)).names
    table = read_corpus(workspace, corpus, ["key", EMBEDDED if EMBEDDED in names else "text"])
    keys, prompts = (column.to_pylist() for column in table.columns)
    return dict(zip(keys, prompts, strict=True))


def bare(noun: str) -> str:
    """A noun without underscores and the gloss that some lists put behind it."""
    plain = " ".join(noun.replace("_", " ").split())
    if "(" not in plain:  # which is quick to see, and so of most nouns
        return plain
    return " ".join(GLOSS.sub("", plain).split()) or plain
