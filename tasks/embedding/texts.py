"""Texts become vectors: those that an encoder's store lacks are embedded, shard by shard."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from sortal.storage.hashing import fingerprint
from sortal.storage.rows import FloatArray
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import normalise
from sortal.tasks.embedding.model import PinnedEncoder
from sortal.tasks.encoders import vectors
from sortal.tasks.encoders.base import Encoder
from sortal.tasks.progress import progress

_TEXT_SHARD = 16384  # texts a shard
_TEXT_BLOCK = 2048  # texts between two reports of progress


def fill_texts(
    workspace: Workspace,
    texts: dict[str, str],
    encoder: PinnedEncoder,
    templates: Sequence[str],
    what: str,
) -> VectorStore:
    """The encoder's store of texts, with those of `texts` (by key) that it lacked embedded."""
    store = text_store(workspace, encoder.fingerprint, templates)
    missing = store.missing(list(texts))
    if missing and encoder.config.vectors:
        wanted = [texts[key] for key in missing]
        store.add(missing, vectors.look_up(encoder.config.vectors, wanted))
    elif missing:
        model = encoder.open()
        with progress(f"embedding {what}", len(missing), unit="texts") as advance:
            for start in range(0, len(missing), _TEXT_SHARD):
                keys = missing[start : start + _TEXT_SHARD]
                block = [texts[key] for key in keys]
                store.add(keys, text_vectors(block, templates, model, advance))
    return store


def text_store(workspace: Workspace, encoder: str, templates: Sequence[str]) -> VectorStore:
    """The store of an encoder's texts under these templates; others never mix with it."""
    return VectorStore.of(workspace, fingerprint("texts", encoder, list(templates)), "texts")


def text_vectors(
    texts: Sequence[str],
    templates: Sequence[str],
    encoder: Encoder,
    advance: Callable[[int], None] = lambda _: None,
) -> FloatArray:
    """Unit vectors of shape (n, dim): raw vectors averaged over templates, normalised once (TAC).

    Texts are taken in order of length, so that little of a batch is padding.
    """
    result = np.empty((len(texts), encoder.dim), dtype=np.float32)
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    for rows in _cut(order, _TEXT_BLOCK):
        block = [texts[row] for row in rows]
        raw = [
            encoder.encode_texts([template.replace("{}", text) for text in block])
            for template in templates
        ]
        result[rows] = normalise(np.mean(raw, axis=0, dtype=np.float32))
        advance(len(rows))
    return result


def _cut(items: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
