"""Embedding: images and texts become vectors, shard by shard; only what is missing is done.

A killed run loses at most the shard it was writing; the next one goes on from there.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from configs.errors import RunError, UsageError
from configs.schema import EncoderConfig, ImagesConfig
from storage.artifacts import Artifact, Written
from storage.hashing import fingerprint
from storage.rows import FloatArray
from storage.vectors import VectorSet, VectorStore, write_index
from storage.workspace import Workspace
from tasks.bad_images import KnownBad, failure_table
from tasks.centring import mean_of, normalise
from tasks.encoders import Encoder, open_encoder, vectors
from tasks.progress import progress
from tasks.reading import Failure
from tasks.step import step

_TEXT_SHARD = 16384  # texts a shard
_TEXT_BLOCK = 2048  # texts between two reports of progress
_VECTORS = "vectors:"


@step("image_vectors", version=1, check=lambda _, artifact: not artifact.facts.get("n_unread"))
def embed_images(
    folder: Path,
    workspace: Workspace,
    *,
    scan: Artifact,
    source: str,
    images: ImagesConfig,
    encoder: EncoderConfig,
    encoder_fingerprint: str,
) -> Written:
    """Embed the scan's readable images: index.parquet, mean.npy, failures.parquet.

    Images whose bytes are no image are remembered in the workspace and not tried again; images
    that could not be read this time (fact `n_unread`) are tried again by the next run.
    """
    store = VectorStore.of(workspace, encoder_fingerprint, "images")
    table = readable(scan.file(workspace, "images.parquet"))
    bad = embed_missing(workspace, store, table, source, images, encoder, encoder_fingerprint)
    good = [key for key in table["key"].to_pylist() if key not in bad]
    if not good:
        raise RunError(_nothing(source, list(bad.values())))
    pq.write_table(failure_table(bad.values()), folder / "failures.parquet")
    n_unread = sum(not failure.lasting for failure in bad.values())
    facts = {"n_failed": len(bad), "n_unread": n_unread}
    return _written(folder, store, good, encoder_fingerprint, facts)


def embed_missing(
    workspace: Workspace,
    store: VectorStore,
    table: pa.Table,
    source: str,
    images: ImagesConfig,
    encoder: EncoderConfig,
    encoder_fingerprint: str,
) -> dict[str, Failure]:
    """Embed the images of a table (see `readable`) that `store` lacks; what failed, by key."""
    keys = table["key"].to_pylist()
    missing = set(store.missing(keys))
    known = KnownBad.of(workspace, images)
    if encoder.spec.startswith(_VECTORS):
        copy_vectors(store, folder_of(encoder.spec), missing)
    else:
        wanted = [row for row, key in enumerate(keys) if key in missing and key not in known]
        todo = table.take(pa.array(wanted, pa.int64()))
        if todo.num_rows:
            from tasks.encoding import embed_rows

            model = _opened(encoder, encoder_fingerprint)
            embed_rows(store, todo, source, images, encoder, model, known)
    return known.among([key for key in keys if key in missing])


def _nothing(source: str, bad: Sequence[Failure]) -> str:
    rule = "a collection must hold an image that decodes"
    if not bad:
        return f"{rule}, got none in {source}; see the failures of its scan"
    first = f"{bad[0].error_code}, {bad[0].error}"
    return f"{rule}, got {len(bad)} in {source} that do not; the first: {first}"


@lru_cache(maxsize=1)
def _opened(config: EncoderConfig, encoder_fingerprint: str) -> Encoder:
    encoder = open_encoder(config)
    if encoder.fingerprint != encoder_fingerprint:
        raise RunError(f"the weights of {config.spec} must not change during a run; start it again")
    return encoder


def _written(
    folder: Path, store: VectorStore, keys: Sequence[str], encoder: str, facts: dict[str, int]
) -> Written:
    shards, order = write_index(folder, store, keys)
    rows = VectorSet(folder, store)
    np.save(folder / "mean.npy", mean_of(rows))
    place = {"store": store.folder.parent.name, "modality": store.folder.name}
    return Written(
        rows=rows.shape[0],
        identity=fingerprint(encoder, place, order),
        facts={**place, "dim": rows.shape[1], **facts},
        shared=shards,
    )


def open_vectors(workspace: Workspace, artifact: Artifact) -> VectorSet:
    """The vectors of an `image_vectors` or `text_vectors` artifact, read by blocks."""
    store = VectorStore.of(workspace, artifact.facts["store"], artifact.facts["modality"])
    return VectorSet(artifact.folder(workspace), store)


def readable(scan: Path) -> pa.Table:
    """Columns key, path, offset, bytes of the readable images; of equal files the first listed."""
    table = pq.read_table(scan, columns=["key", "path", "offset", "bytes", "status"])
    table = table.filter(pc.and_(pc.equal(table["status"], "ok"), pc.is_valid(table["key"])))
    numbered = table.append_column("row", pa.array(np.arange(table.num_rows)))
    first = numbered.group_by("key").aggregate([("row", "min")])["row_min"]
    return table.drop_columns(["status"]).take(np.sort(first.to_numpy()))


def count_missing(workspace: Workspace, scan: Artifact, encoder_fingerprint: str) -> int:
    """How many images of a scan have no vector yet under an encoder."""
    store = VectorStore.of(workspace, encoder_fingerprint, "images")
    return len(store.missing(readable(scan.file(workspace, "images.parquet"))["key"].to_pylist()))


def folder_of(spec: str) -> Path:
    """DIR of `vectors:DIR`."""
    return Path(spec.removeprefix(_VECTORS)).expanduser()


def copy_vectors(store: VectorStore, folder: Path, missing: set[str]) -> None:
    """Copy ready-made vectors of the `missing` keys into the store, a block of a file a shard.

    Raises UsageError when a key has none.
    """
    left = set(missing)
    for keys, block in vectors.image_blocks(folder) if left else ():
        rows: dict[str, int] = {}
        for row, key in enumerate(keys):
            if key in left:
                rows.setdefault(key, row)
        left -= rows.keys()
        if rows:
            store.add(list(rows), block[list(rows.values())])
    if left:
        raise UsageError(
            f"vectors:{folder} must hold a vector for every image; {len(left)} of {len(missing)}"
            f" have none, first {min(left)!r}; use the same folder as the source"
        )


@step("text_vectors", version=1)
def embed_texts(
    folder: Path,
    workspace: Workspace,
    *,
    corpus: Artifact,
    encoder: EncoderConfig,
    encoder_fingerprint: str,
    templates: tuple[str, ...],
) -> Written:
    """Embed a corpus under prompt templates: index.parquet, mean.npy."""
    table = pq.read_table(corpus.file(workspace, "corpus.parquet"), columns=["key", "text"])
    texts = dict(zip(table["key"].to_pylist(), table["text"].to_pylist(), strict=True))
    if not texts:
        raise RunError(
            f"{corpus.kind} must hold a text, got none; loosen the filters of its section"
        )
    store = fill_texts(workspace, texts, encoder, encoder_fingerprint, templates, corpus.kind)
    return _written(folder, store, list(texts), encoder_fingerprint, {})


def fill_texts(
    workspace: Workspace,
    texts: dict[str, str],
    encoder: EncoderConfig,
    encoder_fingerprint: str,
    templates: Sequence[str],
    what: str,
) -> VectorStore:
    """The encoder's store of texts, with those of `texts` (by key) that it lacked embedded."""
    store = text_store(workspace, encoder_fingerprint, templates)
    missing = store.missing(list(texts))
    if missing and encoder.spec.startswith(_VECTORS):
        wanted = [texts[key] for key in missing]
        store.add(missing, vectors.look_up(folder_of(encoder.spec), wanted))
    elif missing:
        model = _opened(encoder, encoder_fingerprint)
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
