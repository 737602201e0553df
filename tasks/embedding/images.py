"""Images become vectors: those that an encoder's store lacks are embedded, shard by shard."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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
    missing = store.missing(images.table["key"])
    known = KnownFailures.of(workspace, images.reading)
    if encoder.config.vectors:
        copy_vectors(store, encoder.config.vectors, missing)
    else:
        wanted = missing.filter(pc.invert(pc.is_in(missing, value_set=known.keys)))
        todo = images.table.filter(pc.is_in(images.table["key"], value_set=wanted))
        if todo.num_rows:
            from sortal.tasks.embedding.encode import embed_rows

            embed_rows(store, replace(images, table=todo), encoder, known, workspace)
    return known.among(missing)


def missing_in(
    places: Sequence[Workspace], aside: Workspace, scan: Artifact, encoder_fingerprint: str
) -> list[int]:
    """How many images of a scan have no vector under an encoder in the first of `places`.

    Then how many have none in the first two, and so on. The scan is kept `aside`.
    """
    keys, found = readable_images(scan.file(aside, "images.parquet"))["key"], []
    for place in places:
        keys = image_store(place, encoder_fingerprint).missing(keys) if len(keys) else keys
        found.append(len(keys))
    return found


def copy_vectors(store: VectorStore, folder: Path, missing: pa.Array) -> None:
    """Copy ready-made vectors of the `missing` keys into the store, a block of a file a shard.

    Raises UsageError when a key has none.
    """
    if not len(missing):
        return
    held = vectors.image_table(folder)["key"].combine_chunks()
    rows = pc.index_in(missing, value_set=held)
    if rows.null_count:
        lacking = missing.filter(pc.is_null(rows))
        raise UsageError(
            f"vectors:{folder} must hold a vector for every image; {len(lacking)} of "
            f"{len(missing)} have none, first {pc.min(lacking).as_py()!r}; use the same folder as"
            " the source"
        )
    chosen = np.zeros(len(held), dtype=np.bool_)
    chosen[rows.to_numpy()] = True
    start, written = 0, deque[Future[Path]]()
    with ThreadPoolExecutor(1, "writer") as writer:  # the next block is read meanwhile
        for keys, block in vectors.image_blocks(folder):
            inside = chosen[start : start + len(block)]
            if inside.any():
                some = pa.array(keys, pa.string()).filter(pa.array(inside))
                written.append(writer.submit(store.add, some, block[inside]))
            while len(written) > 1:
                written.popleft().result()
            start += len(block)
        for each in written:
            each.result()
