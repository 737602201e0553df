"""Compaction of vector shards: fewer files, the same vectors in the same order."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from sortal.storage.artifacts import Artifact, Written, find, publish, read_manifest
from sortal.storage.hashing import hash_file
from sortal.storage.maintenance import compaction
from sortal.storage.vector_sets import VectorSet, write_index
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path).create()


@pytest.fixture
def store(workspace: Workspace) -> VectorStore:
    return VectorStore.of(workspace, "encoder", "images")


def vector(key: str) -> np.ndarray:
    return np.random.default_rng(int(key)).standard_normal(4).astype(np.float16)


def add(store: VectorStore, keys: list[str]) -> Path:
    return store.add(keys, np.stack([vector(key) for key in keys]))


def fill(store: VectorStore, seed: int) -> list[str]:
    """Shards of 1 to 30 rows; a key may be in two of them. Returns the keys."""
    rng = np.random.default_rng(seed)
    for _ in range(12):
        keys = rng.choice(200, int(rng.integers(1, 30)), replace=False)
        add(store, [str(key) for key in keys])
    return store.located().places["key"].to_pylist()


def index_of(workspace: Workspace, store: VectorStore, keys: list[str], name: str) -> Artifact:
    def body(folder: Path) -> Written:
        shards, order = write_index(folder, store, keys)
        return Written(identity=order, rows=len(keys), shared=shards)

    return publish(workspace, "image_vectors", name, body)


def content(workspace: Workspace, store: VectorStore, artifact: Artifact):
    rows = VectorSet(artifact.folder(workspace), store)
    blocks = list(rows.blocks(7))
    return rows.keys, np.concatenate(blocks).tolist()


def compact(workspace: Workspace, store: VectorStore, shard_rows: int) -> None:
    for group in compaction.small_groups(store, shard_rows):
        store.merge(group)
    compaction.update_references(workspace, store)
    for shard in compaction.removable(workspace, store, -1):
        compaction.remove_shard(shard)


@pytest.mark.parametrize("seed", range(6))
def test_sets_of_vectors_old_and_new_are_the_same_after_compaction(workspace, store, seed):
    keys = fill(store, seed)
    some = keys[:: seed + 2]
    old = [index_of(workspace, store, keys, "all"), index_of(workspace, store, some, "some")]
    before = [content(workspace, store, artifact) for artifact in old]
    n_shards = len(store.shards())
    compact(workspace, store, shard_rows=[50, 100, 1000][seed % 3])

    assert len(store.shards()) < n_shards
    assert len(list(store.folder.glob("*.parquet"))) == len(store.shards())
    for artifact, expected in zip(old, before, strict=True):
        assert find(workspace, "image_vectors", artifact.fingerprint) == artifact
        assert content(workspace, store, artifact) == expected
    fresh = index_of(workspace, store, keys, "fresh")
    assert fresh.identity == old[0].identity
    assert content(workspace, store, fresh) == before[0]


def test_what_is_added_after_compaction_comes_last(workspace, store):
    for first in (0, 20, 40):
        add(store, [str(key) for key in range(first, first + 20)])
    big = add(store, [str(key) for key in range(100, 180)])
    compact(workspace, store, shard_rows=100)
    assert len(store.shards()) == 2 and store.shards()[-1] == big
    last = add(store, ["500"])
    assert store.shards()[-1] == last
    assert store.located().places["key"][-1].as_py() == "500"


def test_compaction_settles(workspace, store):
    fill(store, 1)
    compact(workspace, store, shard_rows=1000)
    (shard,) = store.shards()
    digest = hash_file(shard)
    assert compaction.small_groups(store, 1000) == []
    add(store, ["999"])
    compact(workspace, store, shard_rows=1000)
    (merged,) = store.shards()
    assert merged != shard and not shard.exists() and digest != hash_file(merged)


def test_a_shard_that_an_artifact_refers_to_stays_and_so_does_one_within_the_grace(
    workspace, store
):
    keys = fill(store, 2)
    for group in compaction.small_groups(store, 1000):
        store.merge(group)
    artifact = index_of(workspace, store, keys, "after")
    assert compaction.removable(workspace, store, 3600) == []
    late = publish(workspace, "image_vectors", "late", lambda folder: late_index(folder, store))
    stays = {workspace.root / name for name in manifest_shards(workspace, late)}
    assert stays and not stays & set(compaction.removable(workspace, store, -1))
    assert compaction.update_references(workspace, store) == 1
    assert set(compaction.removable(workspace, store, -1)) >= stays
    assert find(workspace, "image_vectors", artifact.fingerprint)


def late_index(folder: Path, store: VectorStore) -> Written:
    """An index that a run which began before compaction makes: it knows the old shards only."""
    (merged,) = store.shards()
    hidden = merged.with_suffix(".json")
    hidden.rename(hidden.with_suffix(".away"))
    keys = store.located().places["key"].to_pylist()
    shards, order = write_index(folder, store, keys)
    hidden.with_suffix(".away").rename(hidden)
    assert merged not in shards
    return Written(identity=order, rows=len(keys), shared=shards)


def manifest_shards(workspace: Workspace, artifact: Artifact) -> list[str]:
    manifest = read_manifest(artifact.folder(workspace))
    return list(manifest["shared"]) if manifest else []


def test_a_damaged_merged_shard_brings_the_old_ones_back_while_they_are_there(workspace, store):
    keys = fill(store, 3)
    before = store.shards()
    for group in compaction.small_groups(store, 1000):
        store.merge(group)
    (merged,) = store.shards()
    data = bytearray(merged.read_bytes())
    data[len(data) // 2] ^= 1
    merged.write_bytes(data)
    assert store.shards() == before and store.missing(keys).to_pylist() == []
    assert compaction.removable(workspace, store, -1) == []


@pytest.mark.parametrize("cut", ["merged", "moved", "removing"])
def test_a_kill_in_the_middle_is_repaired_by_the_next_compaction(workspace, store, cut):
    keys = fill(store, 4)
    artifact = index_of(workspace, store, keys, "all")
    expected = content(workspace, store, artifact)
    for group in compaction.small_groups(store, 1000):
        store.merge(group)
    if cut != "merged":
        compaction.update_references(workspace, store)
    if cut == "removing":
        first, *_ = compaction.removable(workspace, store, -1)
        first.with_suffix(".json").unlink()
    assert content(workspace, store, artifact) == expected
    compact(workspace, store, shard_rows=1000)
    assert len(list(store.folder.glob("*"))) == 2
    assert find(workspace, "image_vectors", "all") == artifact
    assert content(workspace, store, artifact) == expected


def test_damage_is_never_sealed_by_updating_an_artifact(workspace, store):
    keys = fill(store, 5)
    artifact = index_of(workspace, store, keys, "all")
    for group in compaction.small_groups(store, 1000):
        store.merge(group)
    shutil.copy(os.devnull, artifact.file(workspace, "extra"))
    index = artifact.file(workspace, "index.parquet")
    index.write_bytes(index.read_bytes() + b"x")
    assert compaction.update_references(workspace, store) == 0
    assert find(workspace, "image_vectors", "all") is None
