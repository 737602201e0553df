"""Further modalities of images: texts of their metadata, or ready-made vectors, one an image.

A modality is written row for row like the image vectors; a missing row is a zero vector.
"""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.encoder import EncoderConfig
from sortal.configs.errors import UsageError
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.hashing import fingerprint, hash_strings, hash_text
from sortal.storage.vector_sets import open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.captioning.caption import TEXTS_FILE
from sortal.tasks.embedding.model import PinnedEncoder
from sortal.tasks.embedding.texts import fill_texts, packaged
from sortal.tasks.encoders.base import PLAIN
from sortal.tasks.encoders.files import content_hash
from sortal.tasks.modalities.write import (
    modality_files,
    rows_of_files,
    rows_of_store,
    write_modality,
    write_texts,
)
from sortal.tasks.sources.registry import open_source
from sortal.tasks.step import step


def _column_state(workspace: Workspace, inputs: "ColumnTextsInputs") -> str:
    return column_content(inputs.source, inputs.column, workspace.root)


def column_content(source: str, column: str, without: Path | None = None) -> str:
    """Hash of a column of a source's metadata; raises UsageError."""
    found = texts_of_column(source, column, without)
    return hash_strings(f"{name} {text or ''}" for name, text in found.items())


@dataclass(frozen=True, kw_only=True)
class ColumnTextsInputs:
    """Inputs of `column_texts`."""

    scan: Artifact
    source: str
    column: str


@step("image_texts", ColumnTextsInputs, version=1, state=_column_state)
def column_texts(folder: Path, workspace: Workspace, inputs: ColumnTextsInputs) -> Written:
    """Write `texts.parquet` (key, text): a column of the source's metadata, null where empty.

    An image of several files has the first text that one of them has.
    """
    rows = pq.read_table(
        inputs.scan.file(workspace, "images.parquet"), columns=["path", "key", "status"]
    )
    rows = rows.filter(pc.and_(pc.equal(rows["status"], "ok"), pc.is_valid(rows["key"])))
    found = texts_of_column(inputs.source, inputs.column, workspace.root)
    texts: dict[str, str | None] = {}
    for path, key in zip(rows["path"].to_pylist(), rows["key"].to_pylist(), strict=True):
        text = " ".join((found.get(key, found.get(path)) or "").split())
        texts[key] = texts.get(key) or text or None
    return write_texts(folder, texts)


def texts_of_column(source: str, column: str, without: Path | None = None) -> dict[str, str | None]:
    """Path (for ready-made vectors: key) -> text of a source's column; raises UsageError.

    What lies in the folder `without`, the workspace, tells nothing.
    """
    return open_source(source, without).column(column)


@dataclass(frozen=True, kw_only=True)
class EmbedModalityInputs:
    """Inputs of `embed_modality`."""

    name: str
    images: Artifact
    texts: Artifact
    encoder: EncoderConfig
    encoder_fingerprint: str


def _known_state(_workspace: Workspace, inputs: EmbedModalityInputs) -> str | None:
    return packaged(inputs.encoder_fingerprint, PLAIN)


@step("view", EmbedModalityInputs, version=1, state=_known_state)
def embed_modality(folder: Path, workspace: Workspace, inputs: EmbedModalityInputs) -> Written:
    """Write the modality of `texts`, which has `texts.parquet` (key, text): see `write_modality`.

    Only texts that this encoder has not seen yet, in any modality or corpus, are embedded.
    """
    table = pq.read_table(inputs.texts.file(workspace, TEXTS_FILE), columns=["key", "text"])
    known = table.filter(pc.is_valid(table["text"]))
    chosen = {hash_text(text): text for text in known["text"].to_pylist()}
    keys = open_vectors(workspace, inputs.images).keys
    if not chosen:
        raise UsageError(
            f"modality {inputs.name} must have a text for an image, got none; leave it out"
        )
    about = f"texts of {inputs.name}"
    encoder = PinnedEncoder(inputs.encoder, inputs.encoder_fingerprint)
    store = fill_texts(workspace, chosen, encoder, PLAIN, about)
    places = pc.index_in(pa.array(keys, pa.string()), value_set=known["key"].combine_chunks())
    wanted = known["text"].take(places).to_pylist()
    text_keys = [None if text is None else hash_text(text) for text in wanted]
    return write_modality(folder, inputs.name, keys, rows_of_store(store, text_keys))


def _vectors_state(_workspace: Workspace, inputs: "CopyModalityInputs") -> str:
    return vectors_content(inputs.source)


def vectors_content(source: str) -> str:
    """Hash of the Parquet files of ready-made vectors; raises UsageError."""
    files = modality_files(source)
    return fingerprint("view", [(path.name, content_hash(path)) for path in files])


@dataclass(frozen=True, kw_only=True)
class CopyModalityInputs:
    """Inputs of `copy_modality`."""

    name: str
    images: Artifact
    scan: Artifact
    source: str


@step("view", CopyModalityInputs, version=1, state=_vectors_state)
def copy_modality(folder: Path, workspace: Workspace, inputs: CopyModalityInputs) -> Written:
    """Write the modality of ready-made vectors: see `write_modality`.

    `source` is a Parquet file or a folder of them, with the columns vector and, to know whose it
    is, key (as in the scan) or file_name (the image's path). Of an image's rows the first counts.
    """
    keys = open_vectors(workspace, inputs.images).keys
    rows = pq.read_table(inputs.scan.file(workspace, "images.parquet"), columns=["path", "key"])
    row_of = {key: row for row, key in enumerate(keys)}
    pairs = zip(rows["path"].to_pylist(), rows["key"].to_pylist(), strict=True)
    paths = {path: row_of[key] for path, key in pairs if key in row_of}
    return write_modality(
        folder, inputs.name, keys, rows_of_files(modality_files(inputs.source), row_of, paths)
    )
