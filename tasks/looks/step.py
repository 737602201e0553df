"""The steps that read pictures for people: thumbnails with the figures of looks, and flags."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.looks import QualityConfig, ThumbnailConfig
from sortal.configs.schema import ImagesConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.hashing import hash_strings
from sortal.storage.workspace import Workspace
from sortal.tasks.embedding.readable import ImageFiles, readable_images
from sortal.tasks.looks.figures import FIGURES
from sortal.tasks.looks.quality import flags_of
from sortal.tasks.looks.read import look_at_missing, look_store, tables_of
from sortal.tasks.step import step

LOOKS, FLAGGED = "looks.parquet", "flags.parquet"
_COLUMNS = [name for name in FIGURES.names if name not in ("grey", "error_code")]


@dataclass(frozen=True, kw_only=True)
class ThumbnailInputs:
    """Inputs of `make_thumbnails`."""

    scan: Artifact
    source: str
    images: ImagesConfig
    config: ThumbnailConfig


@step("thumbnails", ThumbnailInputs, version=1, check=lambda _, found: not found.facts["n_unread"])
def make_thumbnails(folder: Path, workspace: Workspace, inputs: ThumbnailInputs) -> Written:
    """Read each new picture once: thumbnails into the workspace, and looks.parquet of the scan.

    Pictures that could not be read this time (fact `n_unread`) are tried again the next time.
    """
    table = readable_images(inputs.scan.file(workspace, "images.parquet"))
    files = ImageFiles(table, inputs.source, inputs.images)
    n_read = look_at_missing(workspace, files, inputs.config)
    wanted = pa.array(files.keys, pa.string())
    found = [
        part.filter(pc.is_in(part["key"], value_set=wanted))
        for part in tables_of(look_store(workspace, inputs.images), [*_COLUMNS, "error_code"])
    ]
    looks = pa.concat_tables(found) if found else FIGURES.empty_table()
    good = looks.filter(pc.is_null(looks["error_code"])).select(_COLUMNS).sort_by("key")
    pq.write_table(good, folder / LOOKS)
    facts = {
        "n_read": n_read,
        "n_failed": looks.num_rows - good.num_rows,
        "n_unread": len(files.keys) - looks.num_rows if looks.num_rows or n_read else 0,
    }
    identity = hash_strings(good["key"].to_pylist())
    return Written(rows=good.num_rows, identity=identity, facts=facts)


@dataclass(frozen=True, kw_only=True)
class QualityInputs:
    """Inputs of `flag_quality`."""

    scan: Artifact
    looks: Artifact
    config: QualityConfig


@step("quality_flags", QualityInputs, version=1)
def flag_quality(folder: Path, workspace: Workspace, inputs: QualityInputs) -> Written:
    """Flag blank, dark, blurred and tiny pictures: flags.parquet."""
    looks = pq.read_table(inputs.looks.file(workspace, LOOKS))
    scan = pq.read_table(
        inputs.scan.file(workspace, "images.parquet"), columns=["key", "width", "height"]
    )
    rows = pc.index_in(looks["key"], value_set=scan["key"].combine_chunks())
    sides = pc.min_element_wise(scan["width"], scan["height"]).combine_chunks().take(rows)
    flags = flags_of(looks, sides, inputs.config)
    pq.write_table(flags, folder / FLAGGED)
    return Written(rows=flags.num_rows)
