"""Embedding: images and texts become vectors, shard by shard; only what is missing is done.

A killed run loses at most the shard it was writing; the next one resumes from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.encoder import EncoderConfig
from sortal.configs.errors import RunError
from sortal.configs.schema import ImagesConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.hashing import fingerprint
from sortal.storage.vector_sets import VectorSet, write_index
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import mean_of, spread_of
from sortal.tasks.corpora.corpus import read_prompts
from sortal.tasks.embedding.failures import failure_table
from sortal.tasks.embedding.images import embed_missing, image_store
from sortal.tasks.embedding.model import PinnedEncoder
from sortal.tasks.embedding.readable import ImageFiles, readable_images
from sortal.tasks.embedding.texts import fill_texts, packaged_of
from sortal.tasks.errors import Failure
from sortal.tasks.step import step


@dataclass(frozen=True, kw_only=True)
class EmbedImagesInputs:
    """Inputs of `embed_images`."""

    scan: Artifact
    source: str
    images: ImagesConfig
    encoder: EncoderConfig
    encoder_fingerprint: str


@step(
    "image_vectors",
    EmbedImagesInputs,
    version=1,
    check=lambda _, artifact: not artifact.facts.get("n_unread"),
)
def embed_images(folder: Path, workspace: Workspace, inputs: EmbedImagesInputs) -> Written:
    """Embed the scan's readable images: index.parquet, mean.npy, failures.parquet.

    Images whose bytes are no image are remembered in the workspace and not tried again; images
    that could not be read this time (fact `n_unread`) are tried again by the next run.
    """
    table = readable_images(inputs.scan.file(workspace, "images.parquet"))
    images = ImageFiles(table, inputs.source, inputs.images)
    encoder = PinnedEncoder(inputs.encoder, inputs.encoder_fingerprint)
    bad = embed_missing(workspace, images, encoder)
    keys = table["key"]
    good = keys.filter(pc.invert(pc.is_in(keys, value_set=pa.array(bad, pa.string()))))
    if not len(good):
        raise RunError(_nothing(inputs.source, list(bad.values())))
    pq.write_table(failure_table(bad.values()), folder / "failures.parquet")
    n_unread = sum(not failure.lasting for failure in bad.values())
    facts = {"n_failed": len(bad), "n_unread": n_unread}
    store = image_store(workspace, encoder.fingerprint)
    return _written(folder, store, good, encoder.fingerprint, facts)


def _nothing(source: str, bad: Sequence[Failure]) -> str:
    rule = "a collection must hold an image that decodes"
    if not bad:
        return f"{rule}, got none in {source}; see the failures of its scan"
    first = f"{bad[0].error_code}, {bad[0].error}"
    return f"{rule}, got {len(bad)} in {source} that do not; the first: {first}"


def _written(
    folder: Path,
    store: VectorStore,
    keys: Sequence[str] | pa.ChunkedArray,
    encoder: str,
    facts: dict[str, int],
) -> Written:
    shards, order = write_index(folder, store, keys)
    rows = VectorSet(folder, store)
    mean = mean_of(rows)
    np.save(folder / "mean.npy", mean)
    place = {"store": store.folder.parent.name, "modality": store.folder.name}
    return Written(
        rows=rows.shape[0],
        identity=fingerprint(encoder, place, order),
        facts={**place, "dim": rows.shape[1], "spread": spread_of(rows, mean), **facts},
        shared=shards,
    )


@dataclass(frozen=True, kw_only=True)
class EmbedTextsInputs:
    """Inputs of `embed_texts`."""

    corpus: Artifact
    encoder: EncoderConfig
    encoder_fingerprint: str
    templates: tuple[str, ...]


@step("text_vectors", EmbedTextsInputs, version=1, state=packaged_of)
def embed_texts(folder: Path, workspace: Workspace, inputs: EmbedTextsInputs) -> Written:
    """Embed a corpus under prompt templates: index.parquet, mean.npy."""
    texts = read_prompts(workspace, inputs.corpus)
    if not texts:
        raise RunError(
            f"{inputs.corpus.kind} must hold a text, got none; loosen the filters of its section"
        )
    encoder = PinnedEncoder(inputs.encoder, inputs.encoder_fingerprint)
    store = fill_texts(workspace, texts, encoder, inputs.templates, inputs.corpus.kind)
    return _written(folder, store, list(texts), encoder.fingerprint, {})
