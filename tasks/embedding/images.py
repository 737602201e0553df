"""Images become vectors: those that an encoder's store lacks are embedded, shard by shard."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from sortal.configs.errors import UsageError
from sortal.storage.artifacts import Artifact
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace
from sortal.tasks.embedding.failures import KnownFailures
from sortal.tasks.embedding.model import PinnedEncoder
from sortal.tasks.embedding.readable import ImageFiles, readable_images
from sortal.tasks.encoders import vectors
from sortal.tasks.errors import Failure


def image_store(workspace: Workspace, encoder_fingerprint: str) -> VectorStore:
    """The store of an encoder's image vectors."""
    return VectorStore.of(workspace, encoder_fingerprint, "images")


def embed_missing(
    workspace: Workspace, images: ImageFiles, encoder: PinnedEncoder
) -> dict[str, Failure]:
    """Embed the images that the encoder's store lacks; those that failed, by key."""
    store = image_store(workspace, encoder.fingerprint)
    keys = images.keys
    missing = set(store.missing(keys))
    known = KnownFailures.of(workspace, images.reading)
    if encoder.config.vectors:
        copy_vectors(store, encoder.config.vectors, missing)
    else:
        wanted = [row for row, key in enumerate(keys) if key in missing and key not in known]
        todo = images.table.take(pa.array(wanted, pa.int64()))
        if todo.num_rows:
            from sortal.tasks.embedding.encode import embed_rows

            embed_rows(store, replace(images, table=todo), encoder, known, workspace)
    return known.among([key for key in keys if key in missing])


def count_missing(
    workspace: Workspace, aside: Workspace, scan: Artifact, encoder_fingerprint: str
) -> int:
    """How many images of a scan, which is kept `aside`, have no vector yet under an encoder."""
    table = readable_images(scan.file(aside, "images.parquet"))
    return len(image_store(workspace, encoder_fingerprint).missing(table["key"].to_pylist()))


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
