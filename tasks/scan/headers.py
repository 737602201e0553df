"""Reading headers and hashing bytes of many files, and remembering it until a file changes.

What is remembered is one small Parquet file a source: path, size, time -> key and header.
"""

import io
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import cached_property, partial
from multiprocessing import get_context
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from sortal.configs.schema import ImagesConfig
from sortal.storage.atomic import atomic_file
from sortal.tasks.processes import without_main
from sortal.tasks.progress import progress
from sortal.tasks.sources.base import ImageSource
from sortal.tasks.sources.decode import Code, ImageError, read_header
from sortal.tasks.sources.listing import LISTING

FACTS = pa.schema(
    [
        ("key", pa.string()),
        ("n_bytes", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("error_code", pa.string()),
        ("error", pa.string()),
    ]
)
SEEN = ("path", "bytes", "mtime_ns", "offset")  # columns of the listing that are compared
_BLOCK = 1 << 20
_BATCH = 512  # files a worker takes at a time
_MANY = 16_384  # fewer files are probed sooner than processes start
_SAVE_EVERY = 60.0  # seconds between saves, so that a killed scan loses no more than that


class Input(NamedTuple):
    """A row of the listing, as far as probing needs it."""

    path: str
    bytes: int
    offset: int | None
    error_code: str | None
    error: str | None


class Facts(NamedTuple):
    """What probing found (columns: FACTS). A file that was read has a key, even if no image."""

    key: str | None = None
    n_bytes: int | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None
    error_code: str | None = None
    error: str | None = None


def probe(source: ImageSource, config: ImagesConfig, item: Input) -> Facts:
    """Hash one file and read its header; never raises for what is wrong with the file."""
    key, n_bytes = None, None
    try:
        if item.error_code:
            raise ImageError(item.error_code, item.error or "")
        check_bytes(item.bytes, config)
        with source.open(item.path, item.offset, item.bytes) as file:
            found, n_bytes, stream = hash_stream(file)
            check_bytes(n_bytes, config)  # in Parquet only reading tells
            key = found  # what is too large is not remembered: a larger limit reads it
            return Facts(key, n_bytes, *read_header(stream, config))
    except ImageError as error:
        return Facts(key, n_bytes, error_code=error.code.value, error=error.message)
    except OSError as error:
        return Facts(error_code=Code.UNREADABLE.value, error=error.strerror)


def check_bytes(n_bytes: int, config: ImagesConfig) -> None:
    """Raises ImageError for more bytes than `config.max_bytes`."""
    if n_bytes > config.max_bytes:
        limit = f"more than images.max_bytes = {config.max_bytes:,}"
        raise ImageError(Code.TOO_LARGE, f"{n_bytes:,} bytes, {limit}")


def hash_stream(file: BinaryIO) -> tuple[str, int, BinaryIO]:
    """xxh3-128 of a stream, its length, and it at its start (in memory when it is short)."""
    digest = xxhash.xxh3_128()
    block = file.read(_BLOCK)
    if len(block) < _BLOCK:
        digest.update(block)
        return digest.hexdigest(), len(block), io.BytesIO(block)
    length = 0
    while block:
        digest.update(block)
        length += len(block)
        block = file.read(_BLOCK)
    file.seek(0)
    return digest.hexdigest(), length, file


class Memory:
    """What earlier scans of one source found, in `file`; trusted while size and time agree.

    `revision` changes when a verifying scan finds new bytes behind an unchanged size and time.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.revision = ""
        with suppress(OSError, ValueError):  # none yet, or damaged: everything is read again
            metadata = pq.read_schema(file).metadata or {}
            self.revision = metadata.get(b"revision", b"").decode()

    @cached_property
    def table(self) -> pa.Table:
        """The columns SEEN and FACTS of every file known."""
        with suppress(OSError, ValueError, KeyError):
            known = pq.read_table(self._file, partitioning=None).select([*SEEN, *FACTS.names])
            return known.replace_schema_metadata()
        return pa.schema([*(LISTING.field(name) for name in SEEN), *FACTS]).empty_table()

    def rows_of(self, listing: pa.Table) -> np.ndarray:
        """The row of `table` that knows each listed file, -1 where none does. Shape (n_rows,)."""
        if not self.table.num_rows:
            return np.full(listing.num_rows, -1, dtype=np.int64)
        paths = self.table.column("path")
        found = pc.index_in(listing.column("path"), value_set=paths.combine_chunks())
        rows = pc.fill_null(found, -1).to_numpy().astype(np.int64)
        known = rows >= 0
        for name in SEEN[1:]:
            past = _numbers(self.table.column(name))[rows[known]]
            rows[np.flatnonzero(known)[past != _numbers(listing.column(name))[known]]] = -1
            known = rows >= 0
        return rows

    def save(self, listing: pa.Table, facts: pa.Table) -> None:
        """Remember `facts` of the rows of `listing`, except what may mend itself."""
        seen = listing.select(SEEN)
        table = pa.Table.from_arrays(seen.columns + facts.columns, names=[*SEEN, *FACTS.names])
        lasting = pc.fill_null(pc.not_equal(facts["error_code"], Code.TOO_MANY_PIXELS.value), True)
        table = table.filter(pc.and_(pc.is_valid(facts["key"]), lasting))
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(self._file) as temporary:
            metadata = {"revision": self.revision}
            pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(column, -1).to_numpy()


def refresh(
    source: ImageSource, config: ImagesConfig, listing: pa.Table, memory: Memory
) -> pa.Table:
    """Facts of every row of `listing`, in its order; only what is new or changed is read.

    With `config.verify` every file is read. What was found is saved in `memory` as it goes.
    """
    past = memory.rows_of(listing)
    trusted = (
        np.full_like(past, -1) if config.verify else _within_limits(past, listing, config, memory)
    )
    order = [np.flatnonzero(trusted >= 0), np.flatnonzero(trusted < 0)]
    pieces = [memory.table.select(FACTS.names).take(trusted[order[0]])]
    done, saved = len(order[0]), time.monotonic()
    every = np.concatenate(order)
    for piece in _probe_all(source, config, listing.take(order[1])):
        pieces.append(piece)
        done += piece.num_rows
        if time.monotonic() - saved > _SAVE_EVERY and not config.verify:
            memory.save(listing.take(every[:done]), pa.concat_tables(pieces))
            saved = time.monotonic()
    facts = pa.concat_tables(pieces).take(np.argsort(every))
    if _rewritten(facts, past, memory):
        memory.revision = uuid.uuid4().hex
    if len(order[1]) or memory.table.num_rows != listing.num_rows:
        memory.save(listing, facts)
    return facts


def _within_limits(
    past: np.ndarray, listing: pa.Table, config: ImagesConfig, memory: Memory
) -> np.ndarray:
    """`past` with -1 where today's limits refuse the file; probing then says why."""
    rows = past.copy()
    known = np.flatnonzero(rows >= 0)
    sides = [_numbers(memory.table.column(n)).astype(np.int64) for n in ("width", "height")]
    pixels = (sides[0] * sides[1])[rows[known]]
    n_bytes = _numbers(memory.table["n_bytes"])[rows[known]]
    refused = (pixels > config.max_pixels) | (n_bytes > config.max_bytes)
    rows[known[refused]] = -1
    return rows


def _rewritten(facts: pa.Table, past: np.ndarray, memory: Memory) -> bool:
    """Whether a file's bytes changed behind the same size and time."""
    known = np.flatnonzero(past >= 0)
    now, then = facts["key"].take(known), memory.table["key"].take(past[known])
    return bool(pc.any(pc.fill_null(pc.not_equal(now, then), True)).as_py())


def _probe_all(source: ImageSource, config: ImagesConfig, listing: pa.Table) -> Iterator[pa.Table]:
    """Facts of each row in order, a table a batch; many files are shared among processes."""
    columns = listing.select(Input._fields)
    batches = columns.to_batches(_BATCH)
    work = partial(probe_batch, source, config)
    with progress("scanning", listing.num_rows, unit="files") as advance:
        for table in _spread(work, batches, config.num_workers if listing.num_rows > _MANY else 0):
            advance(table.num_rows)
            yield table


def _spread(
    work: Callable[[pa.RecordBatch], pa.Table], batches: list[pa.RecordBatch], num_workers: int
) -> Iterator[pa.Table]:
    if num_workers < 2:
        yield from map(work, batches)
        return
    # Spawned, not forked: the caller may hold threads (Prefect's, BLAS's) that a fork would freeze.
    with ProcessPoolExecutor(num_workers, mp_context=get_context("spawn")) as pool:
        with without_main():
            tables = pool.map(work, batches)  # starts the processes
        yield from tables


def probe_batch(source: ImageSource, config: ImagesConfig, batch: pa.RecordBatch) -> pa.Table:
    """Facts of a batch of rows (columns: FACTS)."""
    rows = zip(*(batch.column(name).to_pylist() for name in Input._fields), strict=True)
    facts = [probe(source, config, Input(*row)) for row in rows]
    columns = dict(zip(FACTS.names, zip(*facts, strict=True), strict=True))
    return pa.table(columns, schema=FACTS)
