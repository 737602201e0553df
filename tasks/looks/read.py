"""Reading pictures once for everything that is made of their looks; only new contents are read."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import PIL
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.looks import ThumbnailConfig
from sortal.configs.schema import ImagesConfig
from sortal.storage.hashing import fingerprint
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace
from sortal.tasks.embedding.readable import ImageFiles
from sortal.tasks.errors import Failure
from sortal.tasks.executor.base import How
from sortal.tasks.executor.current import executor
from sortal.tasks.looks.figures import FIGURES, figures_of
from sortal.tasks.looks.thumbnails import Thumbnails, shrink
from sortal.tasks.pictures.decode import read_image
from sortal.tasks.progress import progress
from sortal.tasks.sources.base import Source
from sortal.tasks.sources.members import reading_order
from sortal.tasks.sources.registry import from_anywhere, open_source

_REVISION = 1  # of the figures: raise it when their meaning changes
_BLOCK = 256  # pictures between two writes of thumbnails
_SHARD = 4096  # pictures a shard of figures: what a killed pass may lose
_ENOUGH = 512  # pixels a side that figures and thumbnails are taken of


class Seen(NamedTuple):
    """A picture that was read: its row of FIGURES (None: try again), and its thumbnail."""

    key: str
    figures: dict[str, Any] | None
    thumbnail: bytes | None


def look_store(workspace: Workspace, reading: ImagesConfig) -> VectorStore:
    """Where figures are kept by content, under what decides whether an image decodes."""
    limits = fingerprint(_REVISION, reading.max_pixels, reading.max_bytes, PIL.__version__)
    return VectorStore.of(workspace, f"looks-{limits[:16]}", "figures")


def look_at(
    source: Source, reading: ImagesConfig, config: ThumbnailConfig, row: dict[str, Any]
) -> Seen:
    """Read one picture (key, path, offset, bytes)."""
    picture = read_image(source, row, reading, max(_ENOUGH, 2 * config.size))
    key = str(row["key"])
    if isinstance(picture, Failure):
        return Seen(key, {"error_code": picture.error_code} if picture.lasting else None, None)
    return Seen(key, figures_of(picture), shrink(picture, config))


def look_at_missing(workspace: Workspace, images: ImageFiles, config: ThumbnailConfig) -> int:
    """Read the pictures whose figures or thumbnails are not kept yet; returns how many."""
    if open_source(images.source, workspace.root, images.reading).vectors is not None:
        return 0
    store, shelf = look_store(workspace, images.reading), Thumbnails(workspace, config)
    unseen = set(store.missing(images.keys).to_pylist())
    small = set(images.keys) - unseen - shelf.all_keys() if not shelf.is_full() else set()
    lost = small and set(failed_keys(store))
    wanted = unseen | (small - lost)
    rows = [row for row, key in enumerate(images.keys) if key in wanted]
    todo = images.table.take(pa.array(rows, pa.int64()))
    figures: list[dict[str, Any]] = []
    with progress("looking at images", todo.num_rows, unit="images") as advance:
        for block in _looked_at(workspace, images, config, todo):
            shelf.add([(seen.key, seen.thumbnail) for seen in block if seen.thumbnail])
            figures += [
                {"key": seen.key, **seen.figures}
                for seen in block
                if seen.figures and seen.key in unseen
            ]
            if len(figures) >= _SHARD:
                store.add_table(pa.Table.from_pylist(figures, schema=FIGURES))
                figures = []
            advance(len(block))
    if figures:
        store.add_table(pa.Table.from_pylist(figures, schema=FIGURES))
    return todo.num_rows


def failed_keys(store: VectorStore) -> list[str]:
    """The keys of pictures that cannot be read."""
    return [
        key
        for table in tables_of(store, ["key", "error_code"])
        for key in table.filter(pc.is_valid(table["error_code"]))["key"].to_pylist()
    ]


def tables_of(store: VectorStore, columns: list[str]) -> Iterator[pa.Table]:
    """The shards of a store, in order."""
    for shard in store.shards():
        yield pq.read_table(shard, columns=columns)


@dataclass(frozen=True)
class LookAt:
    """Reads blocks of pictures (key, path, offset, bytes); the work of an executor."""

    workspace: Workspace
    source: str
    reading: ImagesConfig
    config: ThumbnailConfig
    threads: int

    def __call__(self, block: list[dict[str, Any]]) -> list[Seen]:
        """Read a block of pictures."""
        source = open_source(self.source, self.workspace.root, self.reading)
        source.prefetch([row["path"] for row in block if row["offset"] is None])
        look = partial(look_at, source, self.reading, self.config)
        with ThreadPoolExecutor(self.threads, "looks") as pool:
            return list(pool.map(look, block))


def _looked_at(
    workspace: Workspace, images: ImageFiles, config: ThumbnailConfig, todo: pa.Table
) -> Iterator[list[Seen]]:
    order = todo.to_pylist()
    order.sort(key=lambda row: reading_order(row["path"], row["offset"]))
    blocks = [order[start : start + _BLOCK] for start in range(0, len(order), _BLOCK)]
    threads = max(1, sum(executor().decoders(images.reading.num_workers)))
    work = LookAt(workspace, from_anywhere(images.source), images.reading, config, threads)
    yield from executor().map(work, blocks, How(spread=len(blocks) > 1))
