"""The step that gives every image a caption; only images that have none yet are captioned.

A killed run loses at most the shard it was writing.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.errors import RunError
from sortal.configs.modalities import CaptionerConfig
from sortal.configs.schema import CaptionsConfig
from sortal.configs.section import identity_of
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.hashing import fingerprint, hash_strings
from sortal.storage.vector_sets import open_vectors
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace
from sortal.tasks.captioning.caption import (
    CAPTION_COLUMNS,
    TEXTS_FILE,
    Caption,
    CaptionWriter,
    caption_table,
)
from sortal.tasks.captioning.captioner import Captioner, CaptionImagesInputs
from sortal.tasks.captioning.registry import captioner_of
from sortal.tasks.embedding.readable import readable_images
from sortal.tasks.progress import progress
from sortal.tasks.step import step

log = logging.getLogger("sortal")


def needed(inputs: CaptionImagesInputs) -> CaptionImagesInputs:
    """The inputs that the captioner reads, so that a change of the others captions nothing."""
    unread: dict[str, Any] = dict.fromkeys(captioner_of(inputs.config).unread)
    return replace(inputs, **unread)


def check_captioner(config: CaptionerConfig, captions: CaptionsConfig) -> None:
    """Raise UsageError, before any work, for a captioner that cannot be used."""
    captioner_of(config.chosen).check(captions)


def _state(_workspace: Workspace, inputs: CaptionImagesInputs) -> str | None:
    return captioner_of(inputs.config).state()


@step(
    "image_captions",
    CaptionImagesInputs,
    version=1,
    state=_state,
    check=lambda _, a: not a.facts["n_unanswered"],
)
def caption_images(folder: Path, workspace: Workspace, inputs: CaptionImagesInputs) -> Written:
    """Write `texts.parquet`, a row an image, in the order of `images` (CAPTION_COLUMNS).

    An image without a caption has an `error_code`; one whose failure may pass (fact
    `n_unanswered`) is asked about again by the next run. Raises UsageError for settings that
    cannot work, RunError where no image gets a caption.
    """
    captioner = captioner_of(inputs.config)
    store = VectorStore.of(workspace, _store_fingerprint(captioner, inputs), "captions")
    keys = open_vectors(workspace, inputs.images).keys
    missing: list[str] = store.missing(keys).to_pylist()
    failed: dict[str, Caption] = {}
    if missing:
        todo = _rows(workspace, inputs.scan, missing)
        failed = _fill(store, captioner.open(workspace, inputs, store.folder), captioner.name, todo)
    table = _table(store, keys, failed, captioner.name)
    pq.write_table(table, folder / TEXTS_FILE, compression="zstd")
    n_captioned = _count_captioned(table, captioner.name)
    facts = {"n_captioned": n_captioned, "n_failed": len(keys) - n_captioned}
    facts |= {"n_unanswered": len(failed)}
    log.info(
        "captions by %s: %s of %s images", captioner.name, f"{n_captioned:,}", f"{len(keys):,}"
    )
    return Written(
        rows=len(keys), identity=_identity(table), facts={"captioner": captioner.name, **facts}
    )


def _count_captioned(table: pa.Table, name: str) -> int:
    """How many rows have a caption; raises RunError where none has."""
    found: int = table.num_rows - table["text"].null_count
    if not found:
        first = table.slice(0, 1).to_pylist()[0]
        raise RunError(
            f"captioner {name} must caption an image, got none of {table.num_rows:,}; the first: "
            f"{first['error_code']}, {first['error']}"
        )
    return found


def _store_fingerprint(captioner: Captioner[Any], inputs: CaptionImagesInputs) -> str:
    """What decides a caption besides the image's content: captions of two never mix."""
    settings = inputs.config
    parts = [type(settings).__name__, identity_of(settings), *captioner.store_parts(inputs)]
    return fingerprint("captions", parts)


def _rows(workspace: Workspace, scan: Artifact | None, keys: Sequence[str]) -> pa.Table:
    """The images `keys`, with their places where the captioner looks at files."""
    chosen = pa.array(keys, pa.string())
    if scan is None:
        return pa.table({"key": chosen})
    table = readable_images(scan.file(workspace, "images.parquet"))
    return table.filter(pc.is_in(table["key"], value_set=chosen))


def _fill(
    store: VectorStore, writer: CaptionWriter, name: str, todo: pa.Table
) -> dict[str, Caption]:
    """Caption the images of `todo` into `store`; those to be asked about again, by key."""
    again: dict[str, Caption] = {}
    with progress("captioning", todo.num_rows, unit="images") as advance:
        for captions in writer.shards(todo, advance):
            kept = [caption for caption in captions if caption.text or caption.lasting]
            again |= {each.key: each for each in captions if not (each.text or each.lasting)}
            if kept:
                store.add_table(caption_table(kept, name))
    return again


def _table(store: VectorStore, keys: list[str], failed: dict[str, Caption], name: str) -> pa.Table:
    """The rows of the images `keys`, in that order."""
    stored = [pq.read_table(shard) for shard in store.shards()]
    table = pa.concat_tables([*stored, caption_table(failed.values(), name)])
    places = pc.index_in(pa.array(keys, pa.string()), value_set=table["key"].combine_chunks())
    return table.take(places).select(CAPTION_COLUMNS.names)


def _identity(table: pa.Table) -> str:
    filled = [pc.fill_null(table[name], "") for name in ("key", "text", "error_code")]
    return hash_strings(pc.binary_join_element_wise(*filled, "\0").to_pylist())
