"""Reading the headers and hashing the bytes of many files, of new or changed ones alone."""

import io
import time
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from sortal.configs.schema import ImagesConfig
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.executor.base import How
from sortal.tasks.executor.current import executor
from sortal.tasks.executor.slices import Slices
from sortal.tasks.pictures.header import Header, read_header
from sortal.tasks.progress import progress
from sortal.tasks.scan.cache import FACTS, PICTURE, ScanCache, numbers
from sortal.tasks.sources.base import Source

_BLOCK = 1 << 20
_BATCH = 512  # files a worker takes at a time
_NEAR = 64  # files fetched ahead of being read, where they are far away
_MANY = 16_384  # fewer files are probed sooner than processes start
_NO_PICTURE = (None,) * len(PICTURE)
_SAVE_EVERY = 60.0  # seconds between saves, so that a killed scan loses no more than that


class Input(NamedTuple):
    """A row of the listing, as far as probing needs it."""

    path: str
    bytes: int
    offset: int | None
    error_code: str | None
    error: str | None


class Facts(NamedTuple):
    """What probing found. A file that was read has a key, even if it is no image."""

    key: str | None = None
    n_bytes: int | None = None
    header: Header | None = None
    error_code: str | None = None
    error: str | None = None

    def row(self) -> tuple[Any, ...]:
        """The values of the columns FACTS."""
        found = self.header
        picture = (*found[:4], *found.photo, found.color_profile) if found else _NO_PICTURE
        return (self.key, self.n_bytes, *picture, self.error_code, self.error)


def probe(source: Source, config: ImagesConfig, item: Input) -> Facts:
    """Hash one file and read its header; what is wrong with the file is in the result."""
    key, n_bytes = None, None
    try:
        if item.error_code:
            raise ImageError(item.error_code, item.error or "")
        check_bytes(item.bytes, config)
        with source.open(item.path, item.offset, item.bytes) as file:
            found, n_bytes, stream = hash_stream(file, config.max_bytes)
            check_bytes(n_bytes, config)  # of some containers' members it is known only now
            key = found  # without a key it is not cached, so that a larger limit reads it
            return Facts(key, n_bytes, read_header(stream, config))
    except ImageError as error:
        return Facts(key, n_bytes, error_code=error.code.value, error=error.message)
    except OSError as error:
        return Facts(error_code=Code.UNREADABLE.value, error=error.strerror)


def check_bytes(n_bytes: int, config: ImagesConfig) -> None:
    """Raises ImageError for more bytes than `config.max_bytes`."""
    if n_bytes > config.max_bytes:
        limit = f"more than images.max_bytes = {config.max_bytes:,}"
        raise ImageError(Code.TOO_LARGE, f"{n_bytes:,} bytes, {limit}")


def hash_stream(file: BinaryIO, most: int) -> tuple[str, int, BinaryIO]:
    """xxh3-128 of a stream, its length, and the stream at its start (in memory when short).

    Once more than `most` bytes are read, the rest is not.
    """
    digest = xxhash.xxh3_128()
    block = file.read(_BLOCK)
    if len(block) < _BLOCK:
        digest.update(block)
        return digest.hexdigest(), len(block), io.BytesIO(block)
    length = 0
    while block and length <= most:
        digest.update(block)
        length += len(block)
        block = file.read(_BLOCK)
    file.seek(0)
    return digest.hexdigest(), length, file


def refresh(source: Source, config: ImagesConfig, listing: pa.Table, cache: ScanCache) -> pa.Table:
    """Facts of every row of `listing`, in its order; only what is new or changed is read.

    With `config.verify` every file is read. The results are saved in `cache` every minute.
    """
    past = cache.rows_of(listing)
    trusted = np.full_like(past, -1) if config.verify else _within_limits(past, config, cache)
    order = [np.flatnonzero(trusted >= 0), np.flatnonzero(trusted < 0)]
    pieces = [cache.table.select(FACTS.names).take(trusted[order[0]])]
    done, saved = len(order[0]), time.monotonic()
    every = np.concatenate(order)
    for piece in _probe_all(source, config, _in_order(listing, order[1])):
        pieces.append(piece)
        done += piece.num_rows
        if time.monotonic() - saved > _SAVE_EVERY and not config.verify:
            cache.save(_in_order(listing, every[:done]), pa.concat_tables(pieces))
            saved = time.monotonic()
    facts = _in_order(pa.concat_tables(pieces), np.argsort(every))
    if _rewritten(facts, past, cache) or _may_pass(facts):
        cache.revision = uuid.uuid4().hex
    if len(order[1]) or cache.table.num_rows != listing.num_rows:
        cache.save(listing, facts)
    return facts


def _in_order(table: pa.Table, rows: np.ndarray) -> pa.Table:
    """Those rows of a table, without a copy where they are its first ones in their order."""
    in_place = len(rows) == 0 or (rows[-1] == len(rows) - 1 and bool((np.diff(rows) == 1).all()))
    return table.slice(0, len(rows)) if in_place else table.take(rows)


def _within_limits(past: np.ndarray, config: ImagesConfig, cache: ScanCache) -> np.ndarray:
    """`past` with -1 where today's limits refuse the file; probing then says why."""
    rows = past.copy()
    known = np.flatnonzero(rows >= 0)
    sides = [numbers(cache.table.column(n)).astype(np.int64) for n in ("width", "height")]
    pixels = (sides[0] * sides[1])[rows[known]]
    n_bytes = numbers(cache.table["n_bytes"])[rows[known]]
    refused = (pixels > config.max_pixels) | (n_bytes > config.max_bytes)
    rows[known[refused]] = -1
    return rows


def _rewritten(facts: pa.Table, past: np.ndarray, cache: ScanCache) -> bool:
    """Whether a file's bytes changed behind the same size and time."""
    known = np.flatnonzero(past >= 0)
    now, then = facts["key"].take(known), cache.table["key"].take(past[known])
    return bool(pc.any(pc.fill_null(pc.not_equal(now, then), True)).as_py())


def _may_pass(facts: pa.Table) -> bool:
    """Whether a file failed for a reason that may be gone by the next run, which then scans."""
    passing = pa.array([code.value for code in Code if code.may_pass])
    return bool(pc.any(pc.is_in(facts["error_code"], value_set=passing)).as_py())


def _probe_all(source: Source, config: ImagesConfig, listing: pa.Table) -> Iterator[pa.Table]:
    """Facts of each row in order, a table a batch; many files are shared among processes."""
    batches = Slices(listing.select(Input._fields), _BATCH)
    work = partial(probe_batch, source, config)
    many = listing.num_rows > _MANY
    how = How(spread=many, processes=config.num_workers if many else 0)
    with progress("scanning", listing.num_rows, unit="files") as advance:
        for table in executor().map(work, batches, how):
            advance(table.num_rows)
            yield table


def probe_batch(source: Source, config: ImagesConfig, batch: pa.Table) -> pa.Table:
    """Facts of a batch of rows (columns: FACTS)."""
    columns = (batch.column(name).to_pylist() for name in Input._fields)
    items = [Input(*row) for row in zip(*columns, strict=True)]
    facts: list[tuple[Any, ...]] = []
    for start in range(0, len(items), _NEAR):
        some = items[start : start + _NEAR]
        source.prefetch([it.path for it in some if it.offset is None and not it.error_code])
        facts += (probe(source, config, item).row() for item in some)
    found = dict(zip(FACTS.names, zip(*facts, strict=True), strict=True))
    return pa.table(found, schema=FACTS)
