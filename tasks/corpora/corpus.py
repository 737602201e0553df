"""The file of a corpus: a row for each text, with its key and what is known of it."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from sortal.storage.artifacts import Artifact
from sortal.storage.workspace import Workspace

CORPUS = "corpus.parquet"


def read_corpus(
    workspace: Workspace, corpus: Artifact, columns: Sequence[str] | None = None
) -> pa.Table:
    """The rows of a corpus, in its order: key, text, and for nouns synset and the like."""
    return pq.read_table(corpus.file(workspace, CORPUS), columns=columns and list(columns))
