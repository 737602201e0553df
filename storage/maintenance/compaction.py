"""Compaction: many small vector shards become few, and nothing downstream notices.

Three passes, each of which a kill may interrupt and the next run resumes: merge neighbours, have
artifacts refer to the merged shards, remove shards that nothing refers to any more.
"""

import time
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sortal.storage.artifacts import Artifact, find, read_manifest, refer_to
from sortal.storage.atomic import TEMPORARY
from sortal.storage.mirror import Mirror
from sortal.storage.vector_sets import VectorSet, write_rows
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace


def stores(workspace: Workspace) -> list[VectorStore]:
    """Every vector store of the workspace."""
    folders = sorted(path for path in workspace.vectors.glob("*/*") if path.is_dir())
    return [VectorStore.of(workspace, path.parent.name, path.name) for path in folders]


def small_groups(store: VectorStore, shard_rows: int) -> list[list[Path]]:
    """Neighbours in the store's order to merge: each under half of `shard_rows`, together under it.

    Rows keep their order, so a set of vectors over them keeps its identity.
    """
    groups: list[list[Path]] = [[]]
    shards, total = store.counted(), 0
    facts = store.sidecars()
    for shard in shards:
        rows = int(facts[shard.stem]["rows"])
        small = rows * 2 < shard_rows
        if not small or total + rows > shard_rows:
            groups.append([])
            total = 0
        if small:
            groups[-1].append(shard)
            total += rows
    return [group for group in groups if len(group) > 1]


def update_references(workspace: Workspace, store: VectorStore) -> int:
    """Have artifacts that refer to replaced shards refer to what replaced them; returns how many.

    An artifact whose rows would change their order stays as it is, and its shards with it.
    """
    instead = _replacements(store)
    updated = 0
    for artifact, shards in _with_shards(workspace):
        if shards & instead.keys() and find(workspace, artifact.kind, artifact.fingerprint):
            updated += _update(workspace, artifact, store, instead)
    return updated


def removable(
    workspace: Workspace, store: VectorStore, grace: float, published: Collection[Path] = ()
) -> list[Path]:
    """Replaced shards that no artifact refers to, replaced more than `grace` seconds ago.

    `published` are those that artifacts in the workspace's bucket refer to.
    """
    in_use = {shard for _, shards in _with_shards(workspace) for shard in shards}
    old = time.time() - grace
    facts, found = store.sidecars(), []
    for shard, by in _replacements(store).items():
        there = shard.exists() or (store.mirror and shard.stem in facts)
        used = shard in in_use or shard in published
        if there and not used and by.with_suffix(".json").stat().st_mtime < old:
            found.append(shard)
    return found


def remove_shard(shard: Path, mirror: Mirror | None = None) -> None:
    """Remove a shard, where there is a bucket there too."""
    VectorStore(shard.parent, mirror).remove(shard)


def _replacements(store: VectorStore) -> dict[Path, Path]:
    """Replaced shard -> the shard that holds its rows now."""
    counted = store.counted()
    facts = store.sidecars()
    return {
        store.folder / f"{name}.parquet": shard
        for shard in counted
        for name in facts[shard.stem].get("replaces", [])
    }


def _with_shards(workspace: Workspace) -> Iterator[tuple[Artifact, set[Path]]]:
    for folder in sorted(workspace.artifacts.glob("*/*")):
        manifest = None if folder.name.startswith(TEMPORARY) else read_manifest(folder)
        if manifest and manifest["shared"]:
            shards = {workspace.root / name for name in manifest["shared"]}
            yield Artifact(**manifest["artifact"]), shards


def _update(
    workspace: Workspace, artifact: Artifact, store: VectorStore, instead: dict[Path, Path]
) -> bool:
    shards, rows = VectorSet(artifact.folder(workspace), store).located()
    places = [instead.get(shard, shard) for shard in shards]
    found = list(dict.fromkeys(places))
    number, row = rows["shard"].to_numpy().copy(), rows["row"].to_numpy().copy()
    for old, (shard, place) in enumerate(zip(shards, places, strict=True)):
        inside = rows["shard"].to_numpy() == old
        number[inside] = found.index(place)
        if shard != place:
            keys = pq.read_table(store.here(place), columns=["key"])["key"].combine_chunks()
            own = rows["key"].filter(pa.array(inside))
            row[inside] = pc.index_in(own, value_set=keys).to_numpy()
    if not _in_order(number, row):
        return False
    moved = pa.table({"key": rows["key"], "shard": number, "row": row})
    refer_to(workspace, artifact, lambda folder: write_rows(folder, found, moved))
    return True


def _in_order(shard: NDArray[np.int32], row: NDArray[np.int32]) -> bool:
    """Whether a pass over the shards meets the rows in this order."""
    return bool((np.diff(shard.astype(np.int64) << 32 | row) > 0).all())
