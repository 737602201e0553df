"""Selection: the semantic space, the few texts of a corpus that are close to this collection.

Texts are compared with centres of the images, block by block: nothing of size centres x texts
exists beyond one block.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.encoder import EncoderConfig
from sortal.configs.errors import RunError
from sortal.configs.schema import SelectionConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.rows import FloatArray, Rows, take_rows
from sortal.storage.vector_sets import open_vectors
from sortal.storage.vectors import vector_table
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import Centred
from sortal.tasks.corpora.corpus import read_corpus, read_prompts
from sortal.tasks.corpora.space import COMPARED
from sortal.tasks.embedding.model import PinnedEncoder
from sortal.tasks.embedding.texts import fill_texts
from sortal.tasks.selection.rank import count_centres, image_centres, select_texts
from sortal.tasks.step import optional, step

CENTRES = "centres.npy"


@dataclass(frozen=True, kw_only=True)
class FindCentresInputs:
    """Inputs of `find_centres`."""

    images: Artifact
    centred: bool
    n_centres: int
    n_init: int
    random_state: int
    max_rows: int | None = optional()  # images they are fitted on; None: all


@step("image_centres", FindCentresInputs)
def find_centres(folder: Path, workspace: Workspace, inputs: FindCentresInputs) -> Written:
    """Write `centres.npy`, unit centres (k, d) of the images: see `image_centres`.

    Every corpus is compared with them, so `select` makes them when first it needs them.
    """
    images = open_vectors(workspace, inputs.images)
    centres = image_centres(
        _centred(images, workspace, inputs.images, inputs.centred),
        inputs.n_centres,
        n_init=inputs.n_init,
        random_state=inputs.random_state,
        max_rows=inputs.max_rows,
    )
    np.save(folder / CENTRES, centres)
    return Written(rows=len(centres))


@dataclass(frozen=True, kw_only=True)
class SelectInputs:
    """Inputs of `select`."""

    images: Artifact
    texts: Artifact
    corpus: Artifact
    config: SelectionConfig
    n_clusters: int
    random_state: int
    templates: tuple[str, ...] | None = optional()  # of the texts chosen; None: as `texts` are
    encoder: EncoderConfig | None = optional()
    encoder_fingerprint: str | None = optional()
    fitted: int | None = optional()  # images that centres are fitted on, as `rows_fitted` says
    n_centres: int | None = optional()  # where they are fewer than TAC's: `bounded_centres`


@step("space", SelectInputs, version=2)
def select(folder: Path, workspace: Workspace, inputs: SelectInputs) -> Written:
    """Write `space.parquet`: key, text and vector (unit, not centred) of the texts kept.

    The vectors are those of `texts`; where `templates` are given they are those under these, and
    `compared` are those of `texts`: an ensemble for the few that are kept costs little.
    Where `config.centred`, images and texts lose their own means before they are compared.
    `mean.npy` and the fact n_images tell later runs for which images the texts were chosen.
    Raises `RunError` when no text is left.
    """
    config = inputs.config
    texts, n_images = open_vectors(workspace, inputs.texts), inputs.images.rows
    found = find_centres(
        workspace,
        images=inputs.images,
        centred=config.centred,
        n_centres=inputs.n_centres or count_centres(n_images, inputs.n_clusters, config),
        n_init=config.n_init,
        random_state=inputs.random_state,
        max_rows=inputs.fitted,
    )
    centres = np.load(found.file(workspace, CENTRES))
    text_rows = _centred(texts, workspace, inputs.texts, config.centred)
    numbers = select_texts(centres, text_rows, method=config.method, top_k=config.top_k)
    if not len(numbers):
        raise RunError(
            f"a semantic space must hold a text, got none of {texts.shape[0]:,}; widen the corpus"
        )
    words = _words(workspace, inputs.corpus, texts.key_column.take(numbers).to_pylist())
    compared = take_rows(texts, numbers)
    prompted = _prompted(workspace, inputs, list(words))
    space = vector_table(list(words), compared if prompted is None else prompted)
    space = space.add_column(1, "text", pa.array(words.values(), pa.string()))
    if prompted is not None:
        space = space.append_column(COMPARED, vector_table(list(words), compared)["vector"])
    pq.write_table(space, folder / "space.parquet", compression="none")
    np.save(folder / "mean.npy", np.load(inputs.images.file(workspace, "mean.npy")))
    facts = {
        "n_images": n_images,
        "n_centres": len(centres),
        "n_fit": inputs.fitted or n_images,
        "n_texts": texts.shape[0],
        "n_selected": len(numbers),
        "prompted": prompted is not None,
    }
    return Written(rows=len(numbers), facts=facts)


def _centred(rows: Rows, workspace: Workspace, artifact: Artifact, centred: bool) -> Rows:
    """`rows` without the mean of their artifact, where `centred`."""
    return Centred(rows, np.load(artifact.file(workspace, "mean.npy"))) if centred else rows


def _words(workspace: Workspace, corpus: Artifact, keys: list[str]) -> dict[str, str]:
    """Key -> text of these keys, in their order."""
    table = read_corpus(workspace, corpus, ["key", "text"])
    words = dict(zip(table["key"].to_pylist(), table["text"].to_pylist(), strict=True))
    return {key: words[key] for key in keys}


def _prompted(workspace: Workspace, inputs: SelectInputs, keys: list[str]) -> FloatArray | None:
    """The chosen texts under templates of their own, shape (len(keys), dim), where they have."""
    if not inputs.templates or inputs.encoder is None or inputs.encoder_fingerprint is None:
        return None
    encoder = PinnedEncoder(inputs.encoder, inputs.encoder_fingerprint)
    what = f"chosen {inputs.corpus.kind}"
    prompts = read_prompts(workspace, inputs.corpus)
    chosen = {key: prompts[key] for key in keys}
    found = fill_texts(workspace, chosen, encoder, inputs.templates, what).take(keys)
    return np.stack([found[key] for key in keys])
