"""The step `search_index`: the index over a collection's image vectors, grown from the last."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.looks import SearchConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.rows import SomeRows
from sortal.storage.vector_sets import VectorSet, open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.search.index import INDEX, KEYS, MEAN, build, grow
from sortal.tasks.step import optional, step

_MOST_NEW = 0.5  # share of new images up to which an index grows, and beyond which it is made anew


@dataclass(frozen=True, kw_only=True)
class SearchIndexInputs:
    """Inputs of `build_index`. `previous` is the last index of the collection, if any."""

    vectors: Artifact
    config: SearchConfig
    previous: Artifact | None = optional()


@step("search_index", SearchIndexInputs, version=1)
def build_index(folder: Path, workspace: Workspace, inputs: SearchIndexInputs) -> Written:
    """Write index.faiss, its rows' keys (keys.parquet) and the mean that vectors lack (mean.npy).

    An index that grows keeps the mean of the one before, and its cells.
    """
    vectors = open_vectors(workspace, inputs.vectors)
    previous = inputs.previous
    grown = _grown(folder, workspace, inputs, previous, vectors) if previous else None
    if grown:
        return grown
    mean = np.load(inputs.vectors.file(workspace, MEAN))
    np.save(folder / MEAN, mean)
    exact = build(vectors, mean, inputs.config, folder / INDEX)
    return _written(folder, inputs, vectors.keys, exact, len(vectors.keys))


def _grown(
    folder: Path,
    workspace: Workspace,
    inputs: SearchIndexInputs,
    previous: Artifact,
    vectors: VectorSet,
) -> Written | None:
    """The index `previous` with what is new, or None where a new one is better."""
    old = pq.read_table(previous.file(workspace, KEYS))["key"].to_pylist()
    there, known = set(vectors.keys), set(old)
    fresh = np.array([n for n, key in enumerate(vectors.keys) if key not in known], np.int64)
    exact = bool(previous.facts["exact"])
    outgrown = exact and len(there) >= inputs.config.exact_below
    if outgrown or not old or len(fresh) > _MOST_NEW * len(there):
        return None
    gone = np.array([n for n, key in enumerate(old) if key not in there], np.int64)
    if len(gone) and not exact:
        return None  # cells number what is left by their own ids, which are not rows then
    mean = np.load(previous.file(workspace, MEAN))
    np.save(folder / MEAN, mean)
    rows = SomeRows(vectors, fresh)
    grow(previous.file(workspace, INDEX), gone, rows, mean, folder / INDEX)
    keys = [key for key in old if key in there] + [vectors.keys[n] for n in fresh.tolist()]
    return _written(folder, inputs, keys, exact, len(fresh))


def _written(
    folder: Path, inputs: SearchIndexInputs, keys: list[str], exact: bool, n_new: int
) -> Written:
    pq.write_table(pa.table({"key": pa.array(keys, pa.string())}), folder / KEYS)
    facts = {"exact": exact, "n_new": n_new, "dim": inputs.vectors.facts["dim"]}
    return Written(rows=len(keys), facts=facts)
