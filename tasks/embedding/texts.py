"""Texts become vectors: those that an encoder's store lacks are embedded, shard by shard."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from sortal.storage.hashing import fingerprint
from sortal.storage.rows import FloatArray
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import normalise
from sortal.tasks.embedding.model import PinnedEncoder
from sortal.tasks.encoders import vectors
from sortal.tasks.encoders.base import Encoder
from sortal.tasks.encoders.tables import KnownTexts, known_texts
from sortal.tasks.encoders.text_batches import Advance, silent
from sortal.tasks.progress import progress

_TEXT_SHARD = 16384  # texts a shard
_TEXT_BLOCK = 2048  # texts whose vectors under every template are held at a time


def fill_texts(
    workspace: Workspace,
    texts: dict[str, str],
    encoder: PinnedEncoder,
    templates: Sequence[str],
    what: str,
) -> VectorStore:
    """The encoder's store of texts, with those of `texts` (by key) that it lacked embedded."""
    store = text_store(workspace, encoder.fingerprint, templates)
    missing: list[str] = store.missing(list(texts)).to_pylist()
    known = known_texts(encoder.fingerprint, templates)
    if missing and known:
        missing = _copy_known(store, missing, known)
    if missing and encoder.config.vectors:
        wanted = [texts[key] for key in missing]
        store.add(missing, vectors.look_up(encoder.config.vectors, wanted))
    elif missing:
        model = encoder.open()
        total = len(missing) * len(templates)
        with progress(f"embedding {what}", total, unit="prompts") as advance:
            for start in range(0, len(missing), _TEXT_SHARD):
                keys = missing[start : start + _TEXT_SHARD]
                block = [texts[key] for key in keys]
                store.add(keys, text_vectors(block, templates, model, advance))
    return store


def _copy_known(store: VectorStore, missing: list[str], known: KnownTexts) -> list[str]:
    """Copy the vectors that come with the package; the keys of the texts that have none."""
    rows = known.find(missing)
    found = np.flatnonzero(rows >= 0)
    for start in range(0, len(found), _TEXT_SHARD):
        part = found[start : start + _TEXT_SHARD]
        store.add([missing[place] for place in part], known.vectors(rows[part]))
    return [missing[place] for place in np.flatnonzero(rows < 0)]


def text_store(workspace: Workspace, encoder: str, templates: Sequence[str]) -> VectorStore:
    """The store of an encoder's texts under these templates; others never mix with it.

    Nor do vectors that come with the package mix with those of another table, or with none.
    """
    known = packaged(encoder, templates)
    origin = ["texts", encoder, list(templates), *([known] if known else [])]
    return VectorStore.of(workspace, fingerprint(*origin), "texts")


def packaged(encoder: str, templates: Sequence[str]) -> str | None:
    """The name of the table of vectors that come with the package, None where there is none."""
    known = known_texts(encoder, templates)
    return known.fingerprint if known else None


class Prompted(Protocol):
    """Inputs of a step that embeds texts under templates."""

    @property
    def encoder_fingerprint(self) -> str:
        """The encoder's."""

    @property
    def templates(self) -> tuple[str, ...]:
        """Of a prompt, with {} in a text's place."""


def packaged_of(_workspace: Workspace, inputs: Prompted) -> str | None:
    """A step's state: which vectors that come with the package it may copy."""
    return packaged(inputs.encoder_fingerprint, inputs.templates)


def unknown_texts(
    workspace: Workspace, keys: list[str], encoder: str, templates: Sequence[str]
) -> list[str]:
    """The texts, by key, that have a vector neither in the store nor in the package."""
    store = text_store(workspace, encoder, templates)
    missing: list[str] = store.missing(keys).to_pylist() if keys else []
    known = known_texts(encoder, templates)
    if not known:
        return missing
    return [missing[place] for place in np.flatnonzero(known.find(missing) < 0)]


def text_vectors(
    texts: Sequence[str],
    templates: Sequence[str],
    encoder: Encoder,
    advance: Advance = silent,
) -> FloatArray:
    """Unit vectors of shape (n, dim): raw vectors averaged over templates, normalised once (TAC).

    Texts are taken in order of length, so that little of a batch is padding.
    """
    result = np.empty((len(texts), encoder.dim), dtype=np.float32)
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    for rows in _cut(order, _TEXT_BLOCK):
        block = [texts[row] for row in rows]
        raw = [
            encoder.encode_texts([template.replace("{}", text) for text in block], advance)
            for template in templates
        ]
        result[rows] = normalise(np.mean(raw, axis=0, dtype=np.float32))
    return result


def _cut(items: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
