"""Images become vectors: those that an encoder's store lacks are embedded, shard by shard."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.encoder import EncoderConfig
from sortal.configs.errors import RunError, UsageError
from sortal.configs.schema import ImagesConfig
from sortal.storage.artifacts import Artifact
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace
from sortal.tasks.embedding.failures import KnownBad
from sortal.tasks.encoders import vectors
from sortal.tasks.encoders.base import Encoder
from sortal.tasks.encoders.registry import open_encoder
from sortal.tasks.sources.errors import Failure


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
    if encoder.vectors:
        copy_vectors(store, encoder.vectors, missing)
    else:
        wanted = [row for row, key in enumerate(keys) if key in missing and key not in known]
        todo = table.take(pa.array(wanted, pa.int64()))
        if todo.num_rows:
            from sortal.tasks.embedding.encode import embed_rows

            model = _opened(encoder, encoder_fingerprint)
            embed_rows(store, todo, source, images, encoder, model, known)
    return known.among([key for key in keys if key in missing])


@lru_cache(maxsize=1)
def _opened(config: EncoderConfig, encoder_fingerprint: str) -> Encoder:
    encoder = open_encoder(config)
    if encoder.fingerprint != encoder_fingerprint:
        raise RunError(f"the weights of {config.spec} must not change during a run; start it again")
    return encoder


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
