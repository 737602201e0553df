"""The step `duplicates`: pairs and groups of near duplicates; only new pictures are compared."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sortal.configs.looks import DuplicatesConfig
from sortal.configs.schema import ImagesConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.hashing import fingerprint
from sortal.storage.rows import take_rows
from sortal.storage.vector_sets import open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import normalise
from sortal.tasks.duplicates.groups import groups_of
from sortal.tasks.duplicates.pairs import near_pairs
from sortal.tasks.looks.figures import SIDE
from sortal.tasks.looks.read import look_store, tables_of
from sortal.tasks.step import optional, step

PAIRS, GROUPS, COMPARED = "pairs.parquet", "groups.parquet", "compared.parquet"
PAIR_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("other", pa.string()),
        ("agreement", pa.float32()),
        ("cosine", pa.float32()),
        ("flipped", pa.bool_()),
        ("cropped", pa.bool_()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class DuplicatesInputs:
    """Inputs of `find_duplicates`. `previous` is the last result of the collection, if any."""

    scan: Artifact
    looks: Artifact
    vectors: Artifact
    images: ImagesConfig
    config: DuplicatesConfig
    previous: Artifact | None = optional()


@step("duplicates", DuplicatesInputs, version=1)
def find_duplicates(folder: Path, workspace: Workspace, inputs: DuplicatesInputs) -> Written:
    """Pairs and groups of near duplicates: pairs.parquet, groups.parquet, compared.parquet.

    Pictures that `previous` has compared with one another are not compared again.
    """
    keys, grey = _grey(workspace, inputs.images, open_vectors(workspace, inputs.vectors).keys)
    old_keys, old_pairs = _previous(workspace, inputs.previous)
    fresh = np.flatnonzero(~np.isin(keys, old_keys)) if len(keys) else np.empty(0, np.int64)
    found = near_pairs(grey, fresh, inputs.config)
    made = _with_cosines(workspace, inputs, keys, found)
    there = pa.array(keys.tolist(), pa.string())
    kept = old_pairs.filter(
        pc.and_(pc.is_in(old_pairs["key"], there), pc.is_in(old_pairs["other"], there))
    )
    pairs = pa.concat_tables([kept, made]).sort_by([("key", "ascending"), ("other", "ascending")])
    facts = pq.read_table(
        inputs.scan.file(workspace, "images.parquet"), columns=["key", "width", "height", "bytes"]
    )
    groups = groups_of(pairs, facts)
    pq.write_table(pairs, folder / PAIRS)
    pq.write_table(groups, folder / GROUPS)
    pq.write_table(pa.table({"key": there}), folder / COMPARED)
    n_groups = pc.count_distinct(groups["keep"]).as_py()
    return Written(
        rows=groups.num_rows,
        identity=fingerprint(pairs.to_pylist()),
        facts={"n_pairs": pairs.num_rows, "n_groups": n_groups, "n_compared": len(fresh)},
    )


def _grey(
    workspace: Workspace, reading: ImagesConfig, keys: list[str]
) -> tuple[NDArray[np.object_], NDArray[np.uint8]]:
    """Those of `keys` that have a grey copy, and the copies, of shape (n, SIDE * SIDE)."""
    wanted = pa.array(keys, pa.string())
    found: list[str] = []
    pixels: list[NDArray[np.uint8]] = []
    for table in tables_of(look_store(workspace, reading), ["key", "grey"]):
        here = table.filter(
            pc.and_(pc.is_in(table["key"], value_set=wanted), pc.is_valid(table["grey"]))
        )
        found += here["key"].to_pylist()
        flat = b"".join(here["grey"].to_pylist())
        pixels.append(np.frombuffer(flat, np.uint8).reshape(-1, SIDE * SIDE))
    grey = np.concatenate(pixels) if pixels else np.empty((0, SIDE * SIDE), np.uint8)
    return np.array(found, dtype=object), grey


def _previous(
    workspace: Workspace, previous: Artifact | None
) -> tuple[NDArray[np.object_], pa.Table]:
    """The keys that were compared with one another before, and the pairs found."""
    if previous is None:
        return np.empty(0, object), PAIR_SCHEMA.empty_table()
    keys = pq.read_table(previous.file(workspace, COMPARED))["key"].to_pylist()
    return np.array(keys, dtype=object), pq.read_table(previous.file(workspace, PAIRS))


def _with_cosines(
    workspace: Workspace,
    inputs: DuplicatesInputs,
    keys: NDArray[np.object_],
    found: NDArray[np.void],
) -> pa.Table:
    """The pairs by key whose vectors are near, too."""
    vectors = open_vectors(workspace, inputs.vectors)
    row_of = {key: row for row, key in enumerate(vectors.keys)}
    ends = [keys[found[name]].tolist() for name in ("first", "second")]
    rows = [np.array([row_of[key] for key in end], np.int64) for end in ends]
    wanted = np.unique(np.concatenate(rows))
    taken = normalise(take_rows(vectors, wanted)) if len(wanted) else np.empty((0, 1), np.float32)
    first, second = (taken[np.searchsorted(wanted, each)] for each in rows)
    cosine = np.einsum("nd,nd->n", first, second).astype(np.float32)
    lesser = [min(pair) for pair in zip(*ends, strict=True)]
    greater = [max(pair) for pair in zip(*ends, strict=True)]
    columns = [lesser, greater, found["agreement"], cosine, found["flipped"], found["cropped"]]
    arrays = [
        pa.array(column, kind) for column, kind in zip(columns, PAIR_SCHEMA.types, strict=True)
    ]
    table = pa.Table.from_arrays(arrays, schema=PAIR_SCHEMA)
    return table.filter(pa.array(cosine >= inputs.config.cosine))
