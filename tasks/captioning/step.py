"""The step that gives every image a caption; only images that have none yet are captioned.

A killed run loses at most the shard it was writing.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.captioning import (
    CaptionerConfig,
    CocaConfig,
    GivenConfig,
    NearestConfig,
    OpenAiConfig,
)
from sortal.configs.errors import RunError, UsageError
from sortal.configs.schema import CaptionsConfig, ImagesConfig
from sortal.configs.section import identity_of
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.hashing import fingerprint, hash_strings
from sortal.storage.vector_sets import open_vectors
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace
from sortal.tasks.captioning.caption import TEXTS, Caption, Captioner, caption_table
from sortal.tasks.captioning.endpoint import Endpoint, check_endpoint
from sortal.tasks.captioning.given import Given, file_hash
from sortal.tasks.captioning.nearest import open_nearest
from sortal.tasks.embedding.images import readable
from sortal.tasks.encoders.registry import describe
from sortal.tasks.progress import progress
from sortal.tasks.sources.registry import open_source
from sortal.tasks.step import optional, step

log = logging.getLogger("sortal")

FILE = "texts.parquet"
Settings = NearestConfig | CocaConfig | OpenAiConfig | GivenConfig


def captioning(
    config: CaptionerConfig,
    *,
    scan: Artifact,
    images: Artifact,
    source: str,
    reading: ImagesConfig,
    corpus: Artifact | None,
    text_vectors: Artifact | None,
) -> dict[str, Any]:
    """Arguments of `caption_images`: those that matter to the captioner, and no others."""
    about = {"corpus": corpus, "text_vectors": text_vectors} if config.kind == "nearest" else {}
    files = {"scan": scan, "reading": reading} if config.kind != "nearest" else {}
    return {"config": config.chosen, "images": images, "source": source, **about, **files}


def check_captioner(config: CaptionerConfig, captions: CaptionsConfig) -> None:
    """Raise UsageError, before any work, for a captioner that cannot be used."""
    if config.kind == "nearest" and captions.source == "none":
        raise UsageError(
            "captions.source must not be none, since captioner.kind nearest takes its captions "
            "there; use 'starter' or a file, or another captioner"
        )
    if config.kind == "openai":
        check_endpoint(config.openai)
    elif config.kind != "nearest":
        captioner_state(config.chosen)


def _state(_workspace: Workspace, inputs: "CaptionImagesInputs") -> str | None:
    return captioner_state(inputs.config)


def captioner_state(config: Settings) -> str | None:
    """What decides captions beside the settings: a checkpoint's weights, or a file's content."""
    if isinstance(config, CocaConfig):
        return describe(config.spec).fingerprint
    return file_hash(config) if isinstance(config, GivenConfig) else None


@dataclass(frozen=True, kw_only=True)
class CaptionImagesInputs:
    """Inputs of `caption_images`."""

    config: Settings
    images: Artifact
    source: str
    scan: Artifact | None = optional()
    reading: ImagesConfig | None = optional()
    corpus: Artifact | None = optional()
    text_vectors: Artifact | None = optional()


@step(
    "image_captions",
    CaptionImagesInputs,
    version=1,
    state=_state,
    check=lambda _, a: not a.facts["n_unanswered"],
)
def caption_images(folder: Path, workspace: Workspace, inputs: CaptionImagesInputs) -> Written:
    """Write `texts.parquet`, a row an image of `images` and in its order (columns: TEXTS).

    An image without a caption has an `error_code`; one whose failure may pass (fact
    `n_unanswered`) is asked about again by the next run. `scan` and `reading` are for captioners
    that look at image files; `corpus` and `text_vectors` for `nearest`. Raises UsageError for
    settings that cannot work, RunError where no image gets a caption.
    """
    store = VectorStore.of(
        workspace,
        _fingerprint(inputs.config, inputs.source, inputs.images, inputs.corpus, inputs.scan),
        "captions",
    )
    keys = open_vectors(workspace, inputs.images).keys
    missing = store.missing(keys)
    failed: dict[str, Caption] = {}
    name = _name(inputs.config)
    if missing:
        todo = _rows(workspace, inputs.scan, missing)
        captioner = _open(
            workspace,
            inputs.config,
            inputs.images,
            inputs.source,
            inputs.reading,
            inputs.corpus,
            inputs.text_vectors,
            store,
        )
        failed = _fill(store, captioner, name, todo)
    table = _table(store, keys, failed, name)
    n_captioned = table.num_rows - table["text"].null_count
    if not n_captioned:
        first = table.slice(0, 1).to_pylist()[0]
        raise RunError(
            f"captioner {name} must caption an image, got none of {len(keys):,}; the first: "
            f"{first['error_code']}, {first['error']}"
        )
    pq.write_table(table, folder / FILE, compression="zstd")
    facts = {"captioner": name, "n_captioned": n_captioned, "n_failed": len(keys) - n_captioned}
    log.info("captions by %s: %s of %s images", name, f"{n_captioned:,}", f"{len(keys):,}")
    return Written(
        rows=len(keys), identity=_identity(table), facts={**facts, "n_unanswered": len(failed)}
    )


def _name(config: Settings) -> str:
    if isinstance(config, OpenAiConfig):
        return f"openai:{config.model}"
    if isinstance(config, CocaConfig):
        return f"coca:{config.checkpoint.rsplit('/', 1)[-1]}"
    return "given" if isinstance(config, GivenConfig) else "nearest"


def _fingerprint(
    config: Settings,
    source: str,
    images: Artifact,
    corpus: Artifact | None,
    scan: Artifact | None,
) -> str:
    """What decides a caption besides the image's content: captions of two never mix."""
    parts: list[Any] = [type(config).__name__, identity_of(config)]
    if isinstance(config, NearestConfig) and corpus:
        parts += [source, images.facts["store"], corpus.identity]
    if isinstance(config, CocaConfig):
        parts.append(describe(config.spec).fingerprint)
    if isinstance(config, GivenConfig) and scan:
        parts += [scan.identity, file_hash(config)]
    return fingerprint("captions", parts)


def _rows(workspace: Workspace, scan: Artifact | None, keys: Sequence[str]) -> pa.Table:
    """The images `keys`, with their places where the captioner looks at files."""
    chosen = pa.array(keys, pa.string())
    if scan is None:
        return pa.table({"key": chosen})
    table = readable(scan.file(workspace, "images.parquet"))
    return table.filter(pc.is_in(table["key"], value_set=chosen))


def _open(
    workspace: Workspace,
    config: Settings,
    images: Artifact,
    source: str,
    reading: ImagesConfig | None,
    corpus: Artifact | None,
    text_vectors: Artifact | None,
    store: VectorStore,
) -> Captioner:
    if isinstance(config, NearestConfig):
        assert corpus and text_vectors
        return open_nearest(workspace, config, images, corpus, text_vectors, store.folder)
    if isinstance(config, GivenConfig):
        return Given(config)
    files = open_source(source), reading or ImagesConfig()
    if isinstance(config, OpenAiConfig):
        return Endpoint(config, *files)
    from sortal.tasks.captioning.coca import Coca  # imports open_clip, which takes seconds

    return Coca(config, *files)


def _fill(
    store: VectorStore, captioner: Captioner, name: str, todo: pa.Table
) -> dict[str, Caption]:
    """Caption the images of `todo` into `store`; those to be asked about again, by key."""
    again: dict[str, Caption] = {}
    with progress("captioning", todo.num_rows, unit="images") as advance:
        for captions in captioner.shards(todo, advance):
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
    return table.take(places).select(TEXTS.names)


def _identity(table: pa.Table) -> str:
    filled = [pc.fill_null(table[name], "") for name in ("key", "text", "error_code")]
    return hash_strings(pc.binary_join_element_wise(*filled, "\0").to_pylist())
