"""Selection: the semantic space, the few texts of a corpus that are close to this collection.

Texts are compared with centres of the images, block by block: nothing of size centres x texts
exists beyond one block.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sortal.configs.errors import RunError
from sortal.configs.schema import SelectionConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.rows import Rows, take_rows
from sortal.storage.vector_sets import VectorSet, open_vectors
from sortal.storage.vectors import vector_table
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import Centred
from sortal.tasks.selection.rank import count_centres, fit_rows, image_centres, select_texts
from sortal.tasks.step import step


@dataclass(frozen=True, kw_only=True)
class SelectInputs:
    """Inputs of `select`."""

    images: Artifact
    texts: Artifact
    corpus: Artifact
    config: SelectionConfig
    n_clusters: int
    random_state: int


@step("space", SelectInputs, version=2)
def select(folder: Path, workspace: Workspace, inputs: SelectInputs) -> Written:
    """Write `space.parquet`: key, text and vector (unit, not centred) of the texts kept.

    Where `config.centred`, images and texts lose their own means before they are compared.
    `mean.npy` and the fact n_images tell later runs for which images the texts were chosen.
    Raises `RunError` when fewer than 2 texts are left.
    """
    config = inputs.config
    images, texts = open_vectors(workspace, inputs.images), open_vectors(workspace, inputs.texts)
    centres = image_centres(
        _centred(images, workspace, inputs.images, config),
        count_centres(images.shape[0], inputs.n_clusters, config),
        n_init=config.n_init,
        random_state=inputs.random_state,
    )
    text_rows = _centred(texts, workspace, inputs.texts, config)
    numbers = select_texts(centres, text_rows, method=config.method, top_k=config.top_k)
    if len(numbers) < 2:
        raise RunError(
            f"a semantic space must hold at least 2 texts, got {len(numbers)} of "
            f"{texts.shape[0]:,}; widen the corpus or raise selection.top_k"
        )
    corpus = inputs.corpus.file(workspace, "corpus.parquet")
    _write_space(folder / "space.parquet", texts, corpus, numbers)
    np.save(folder / "mean.npy", np.load(inputs.images.file(workspace, "mean.npy")))
    facts = {
        "n_images": images.shape[0],
        "n_centres": len(centres),
        "n_fit": min(images.shape[0], fit_rows(len(centres))),
        "n_texts": texts.shape[0],
        "n_selected": len(numbers),
    }
    return Written(rows=len(numbers), facts=facts)


def _centred(rows: Rows, workspace: Workspace, artifact: Artifact, config: SelectionConfig) -> Rows:
    """`rows` without the mean of their artifact, where centring is configured."""
    return Centred(rows, np.load(artifact.file(workspace, "mean.npy"))) if config.centred else rows


def _write_space(path: Path, texts: VectorSet, corpus: Path, numbers: NDArray[np.int64]) -> None:
    """Write key, text and vector of the rows `numbers` of `texts`."""
    table = pq.read_table(corpus, columns=["key", "text"])
    words = dict(zip(table["key"].to_pylist(), table["text"].to_pylist(), strict=True))
    keys = [texts.keys[number] for number in numbers]
    space = vector_table(keys, take_rows(texts, numbers))
    space = space.add_column(1, "text", pa.array([words[key] for key in keys], pa.string()))
    pq.write_table(space, path, compression="none")
