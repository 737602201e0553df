"""Further views of images: texts of their metadata, or ready-made vectors, one vector an image.

A view is written row for row like the image vectors; a row that is missing is a zero vector.
"""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from configs.errors import UsageError
from configs.schema import EncoderConfig
from storage.artifacts import Artifact, Written
from storage.hashing import fingerprint, hash_strings, hash_text
from storage.rows import ArrayRows, FloatArray
from storage.vectors import ROW_GROUP, FileVectors, VectorStore, vectors_of
from storage.workspace import Workspace
from tasks.centring import mean_of, normalise
from tasks.embedding import fill_texts, open_vectors
from tasks.encoders import vectors
from tasks.encoders.base import PLAIN
from tasks.encoders.files import content_hash
from tasks.fusion import write_shards
from tasks.listing import metadata_column
from tasks.opening import open_source
from tasks.sources import VectorsSource
from tasks.step import step

TEXTS = "texts.parquet"
PRESENT = "present.parquet"
Pieces = Iterable[tuple[NDArray[np.int64], FloatArray]]


def _column_state(_workspace: Workspace, *, source: str, column: str, **_: Any) -> str:
    found = texts_of_column(source, column)
    return hash_strings(f"{name} {text or ''}" for name, text in found.items())


@step("image_texts", version=1, state=_column_state)
def column_texts(
    folder: Path, workspace: Workspace, *, scan: Artifact, source: str, column: str
) -> Written:
    """Write `texts.parquet` (key, text): a column of the source's metadata, null where empty.

    An image of several files has the first text that one of them has.
    """
    rows = pq.read_table(scan.file(workspace, "images.parquet"), columns=["path", "key", "status"])
    rows = rows.filter(pc.and_(pc.equal(rows["status"], "ok"), pc.is_valid(rows["key"])))
    found = texts_of_column(source, column)
    by_key = isinstance(open_source(source), VectorsSource)
    texts: dict[str, str | None] = {}
    for path, key in zip(rows["path"].to_pylist(), rows["key"].to_pylist(), strict=True):
        text = " ".join((found.get(key if by_key else path) or "").split())
        texts[key] = texts.get(key) or text or None
    return write_texts(folder, texts)


def texts_of_column(source: str, column: str) -> dict[str, str | None]:
    """Path (for ready-made vectors: key) -> text of a source's column; raises UsageError."""
    opened = open_source(source)
    if isinstance(opened, VectorsSource):
        return vectors.column_of(opened.root, column)
    return metadata_column(opened, column)


def write_texts(folder: Path, texts: dict[str, str | None]) -> Written:
    """Write `texts.parquet` (key, text), one row an image, the text null where it has none."""
    keys, values = list(texts), list(texts.values())
    table = pa.table({"key": pa.array(keys, pa.string()), "text": pa.array(values, pa.string())})
    pq.write_table(table, folder / TEXTS, compression="zstd")
    identity = hash_strings(f"{key} {text or ''}" for key, text in texts.items())
    n_texts = len(texts) - table["text"].null_count
    return Written(rows=len(texts), identity=identity, facts={"n_texts": n_texts})


@step("view", version=1)
def embed_view(
    folder: Path,
    workspace: Workspace,
    *,
    name: str,
    images: Artifact,
    texts: Artifact,
    encoder: EncoderConfig,
    encoder_fingerprint: str,
) -> Written:
    """Write the view of `texts`, an artifact with `texts.parquet` (key, text): see `write_view`.

    Only texts that this encoder has not seen yet, in any view or corpus, are embedded.
    """
    table = pq.read_table(texts.file(workspace, TEXTS), columns=["key", "text"])
    known = table.filter(pc.is_valid(table["text"]))
    chosen = {hash_text(text): text for text in known["text"].to_pylist()}
    keys = open_vectors(workspace, images).keys
    if not chosen:
        raise UsageError(f"view {name} must have a text for an image, got none; leave it out")
    about = f"texts of {name}"
    store = fill_texts(workspace, chosen, encoder, encoder_fingerprint, PLAIN, about)
    places = pc.index_in(pa.array(keys, pa.string()), value_set=known["key"].combine_chunks())
    wanted = known["text"].take(places).to_pylist()
    text_keys = [None if text is None else hash_text(text) for text in wanted]
    return write_view(folder, name, keys, _from_store(store, text_keys))


def _from_store(store: VectorStore, wanted: list[str | None]) -> Iterator[Any]:
    """(row numbers, unit vectors) of the rows whose text is in `store`, shard by shard."""
    rows_of: dict[str, list[int]] = {}
    for row, key in enumerate(wanted):
        if key is not None:
            rows_of.setdefault(key, []).append(row)
    for shard in store.shards():
        for batch in pq.ParquetFile(shard).iter_batches(ROW_GROUP):
            keys = batch.column("key").to_pylist()
            rows = [rows_of.pop(key, []) for key in keys]
            numbers = np.array([row for each in rows for row in each], dtype=np.int64)
            if len(numbers):
                repeats = [len(each) for each in rows]
                yield numbers, normalise(np.repeat(vectors_of(batch), repeats, axis=0))


def _vectors_state(_workspace: Workspace, *, source: str, **_: Any) -> str:
    return fingerprint("view", [(path.name, content_hash(path)) for path in view_files(source)])


@step("view", version=1, state=_vectors_state)
def copy_view(
    folder: Path,
    workspace: Workspace,
    *,
    name: str,
    images: Artifact,
    scan: Artifact,
    source: str,
) -> Written:
    """Write the view of ready-made vectors: see `write_view`.

    `source` is a Parquet file or a folder of them, with the columns vector and, to know whose it
    is, key (as in the scan) or file_name (the image's path). Of an image's rows the first counts.
    """
    keys = open_vectors(workspace, images).keys
    rows = pq.read_table(scan.file(workspace, "images.parquet"), columns=["path", "key"])
    row_of = {key: row for row, key in enumerate(keys)}
    pairs = zip(rows["path"].to_pylist(), rows["key"].to_pylist(), strict=True)
    paths = {path: row_of[key] for path, key in pairs if key in row_of}
    return write_view(folder, name, keys, _from_files(view_files(source), row_of, paths))


def view_files(source: str) -> list[Path]:
    """The Parquet files of a view's source; raises UsageError where there is none."""
    path = Path(source).expanduser()
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise UsageError(
            f"a view's source must be a Parquet file or a folder of them, got {source!r}; "
            "nothing of the kind is there"
        )
    return files


def _from_files(files: list[Path], row_of: dict[str, int], paths: dict[str, int]) -> Iterator[Any]:
    """(row numbers, unit vectors) of the files' rows that belong to an image."""
    dim = vectors.length_of(files)
    for path in files:
        name = vectors.key_column(path)
        left = dict(row_of if name == "key" else paths)
        for keys, block in vectors.file_blocks(path, name, dim):
            found = [(left.pop(key), row) for row, key in enumerate(keys) if key in left]
            if found:
                numbers, rows = zip(*found, strict=True)
                yield np.array(numbers), block[list(rows)]


def write_view(folder: Path, name: str, keys: list[str], pieces: Pieces) -> Written:
    """Write a view of the images `keys` from pieces (row numbers, unit vectors), in any order.

    `vectors-00000.parquet`, ... (key, vector), row for row with the image vectors, a zero vector
    where it is missing; `present.parquet` (key, present); `mean.npy`, over those present. Raises
    UsageError when none is.
    """
    present = np.zeros(len(keys), dtype=bool)
    with tempfile.TemporaryFile(dir=folder) as scratch:
        matrix: NDArray[np.float16] | None = None
        for numbers, block in pieces:
            if matrix is None:
                shape = (len(keys), block.shape[1])
                scratch.truncate(2 * shape[0] * shape[1])
                matrix = np.memmap(scratch, np.float16, "r+", shape=shape)
            rows, first = np.unique(numbers, return_index=True)
            fresh = ~present[rows]
            matrix[rows[fresh]] = block[first[fresh]]
            present[numbers] = True
        if matrix is None:
            raise UsageError(
                f"view {name} must be there for an image, got none of {len(keys):,}; its key must "
                "be the image's key or its file_name"
            )
        write_shards(folder, keys, ArrayRows(matrix).blocks(ROW_GROUP))
    table = pa.table({"key": pa.array(keys, pa.string()), "present": present})
    pq.write_table(table, folder / PRESENT, compression="zstd")
    count = int(present.sum())
    written = FileVectors(sorted(folder.glob("vectors-*.parquet")))
    np.save(folder / "mean.npy", mean_of(written) * np.float32(len(keys) / count))
    facts = {"dim": written.shape[1], "n_present": count, "n_missing": len(keys) - count}
    return Written(rows=len(keys), facts={name: facts})
