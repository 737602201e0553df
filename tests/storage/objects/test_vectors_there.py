"""Vector shards in a bucket: a store's order and keys at once, its vectors when they are read."""

import pickle
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sortal.configs.errors import TransientError
from sortal.storage.artifacts import Artifact, Written, find, publish, write_part
from sortal.storage.maintenance.verify import check_artifact
from sortal.storage.rows import read_all
from sortal.storage.vector_sets import (
    VectorSet,
    open_file_vectors,
    open_vectors,
    write_index,
    write_shard,
    write_shards,
)
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace

ENCODER = "e" * 32
KEYS = [f"{number:032x}" for number in range(30)]
VECTORS = np.random.default_rng(0).standard_normal((30, 8)).astype(np.float16)


def store_of(workspace: Workspace) -> VectorStore:
    return VectorStore.of(workspace, ENCODER, "images")


def fill(workspace: Workspace) -> list[Path]:
    store = store_of(workspace)
    return [store.add(KEYS[a : a + 10], VECTORS[a : a + 10]) for a in (0, 10, 20)]


def indexed(workspace: Workspace, keys: list[str]) -> Artifact:
    def body(folder: Path) -> Written:
        shards, _ = write_index(folder, store_of(workspace), keys)
        facts = {"store": ENCODER, "modality": "images"}
        return Written(rows=len(keys), facts=facts, shared=shards)

    return publish(workspace, "image_vectors", "f" * 32, body)


def here(workspace: Workspace) -> list[str]:
    return sorted(path.stem for path in store_of(workspace).folder.glob("*.parquet"))


def test_another_machine_knows_every_key_without_the_vectors(first, second):
    fill(first)
    assert store_of(second).missing([*KEYS, "new"]).to_pylist() == ["new"]
    assert here(second) == []
    places = store_of(second).located().places
    assert places.equals(store_of(first).located().places)


def test_the_shards_that_are_read_are_brought_and_no_others(first, second):
    shards = fill(first)
    artifact = indexed(first, KEYS)
    assert find(second, artifact.kind, artifact.fingerprint) == artifact
    assert here(second) == []
    rows = open_vectors(second, artifact).between(10, 20)
    assert rows.shape == (10, 8)
    assert np.array_equal(np.concatenate(list(rows.blocks(4))), VECTORS[10:20].astype(np.float32))
    assert set(here(second)) == {shards[0].stem, shards[1].stem}  # the first says how many numbers


def test_a_machine_opens_a_set_by_where_it_is_alone(first, second):
    """What a worker without the driver's disk is given: the places of an index and a store."""
    fill(first)
    artifact = indexed(first, KEYS)
    own = VectorSet(artifact.folder(first), store_of(first)).between(0, 10)
    elsewhere = pickle.loads(
        pickle.dumps(own).replace(str(first.root).encode(), str(second.root).encode())
    )
    assert np.array_equal(next(elsewhere.blocks(10)), VECTORS[:10].astype(np.float32))


def test_what_two_machines_add_is_one_store(first, second):
    fill(first)
    store_of(second).missing(KEYS)
    store_of(second).add(["x", "y"], VECTORS[:2])
    assert store_of(first).missing([*KEYS, "x", "y", "z"]).to_pylist() == ["z"]
    assert list(store_of(first).take(["y", KEYS[3]])) == ["y", KEYS[3]]
    assert [shard.stem for shard in store_of(first).counted()] == [
        shard.stem for shard in store_of(second).counted()
    ]


def test_a_damaged_shard_is_brought_anew(first, bucket):
    shards = fill(first)
    shards[1].write_bytes(b"PAR1")
    assert store_of(first).shards() == shards
    assert pq.read_table(shards[1])["key"].to_pylist() == KEYS[10:20]


def damage(bucket, shard: Path, at: bytes) -> None:
    (name,) = [name for name in bucket.names() if f"{shard.stem}.parquet" in name]
    bucket.put(name, bucket.get(name).replace(at, bytes(len(at))))


def test_a_shard_of_other_keys_in_the_bucket_does_not_count_and_is_made_again(
    first, second, bucket, caplog
):
    shards = fill(first)
    damage(bucket, shards[1], KEYS[12].encode())
    store = store_of(second)
    assert store.missing(KEYS).to_pylist() == KEYS[10:20]
    assert "holds other bytes" in caplog.text
    store.add(KEYS[10:20], VECTORS[10:20])
    third = Workspace(second.root.with_name("third")).create()
    assert store_of(third).missing(KEYS).to_pylist() == []
    assert [shard.stem for shard in store_of(third).shards()] == [shard.stem for shard in shards]


def test_a_shard_of_other_vectors_in_the_bucket_is_found_when_it_is_read(first, second, bucket):
    shards = fill(first)
    artifact = indexed(first, KEYS)
    damage(bucket, shards[1], VECTORS[12].tobytes())
    find(second, artifact.kind, artifact.fingerprint)
    with pytest.raises(TransientError, match="its vectors are made anew"):
        list(open_vectors(second, artifact).blocks(10))
    assert find(second, artifact.kind, artifact.fingerprint) is None
    assert store_of(second).missing(KEYS).to_pylist() == KEYS[10:20]


def test_a_shard_that_nobody_has_any_more_is_one_line(first, second, bucket):
    shards = fill(first)
    artifact = indexed(first, KEYS)
    find(second, artifact.kind, artifact.fingerprint)
    rows = open_vectors(second, artifact)
    for name in bucket.names("team/vectors"):
        bucket.delete(name)
    with pytest.raises(TransientError, match=f"{shards[0].name} must be in s3://pictures/team"):
        list(rows.blocks(10))


def test_shards_of_before_are_published_with_the_artifact_that_refers_to_them(first, second):
    alone = Workspace(first.root, None)
    fill(alone)
    artifact = indexed(alone, KEYS)
    from sortal.storage.artifacts import keep

    keep(first, artifact)
    assert find(second, artifact.kind, artifact.fingerprint) == artifact
    assert store_of(second).missing(KEYS).to_pylist() == []
    assert next(open_vectors(second, artifact).blocks(30)).shape == (30, 8)


def fused(workspace: Workspace) -> Artifact:
    """Vectors that an artifact holds itself, ten a file."""

    def body(folder: Path) -> Written:
        blocks = (VECTORS[start : start + 10] for start in (0, 10, 20))
        write_shards(folder, KEYS, blocks, shard_blocks=1)
        return Written(rows=len(KEYS))

    return publish(workspace, "fused", "a" * 32, body)


def files(workspace: Workspace, artifact: Artifact) -> list[str]:
    return sorted(path.name for path in artifact.folder(workspace).glob("vectors-*"))


def test_the_files_of_an_artifact_that_are_read_are_brought_and_no_others(first, second):
    artifact = fused(first)
    assert find(second, artifact.kind, artifact.fingerprint) == artifact
    rows = open_file_vectors(second, artifact)
    assert rows.shape == (30, 8) and rows.keys == KEYS
    assert files(second, artifact) == []
    assert not list(check_artifact(second, artifact.folder(second)))
    assert np.array_equal(read_all(rows.between(12, 18)), VECTORS[12:18].astype(np.float32))
    assert files(second, artifact) == ["vectors-00001.parquet"]


def test_a_file_that_nobody_has_any_more_is_made_again(first, second, bucket):
    artifact = fused(first)
    rows = open_file_vectors(second, find(second, artifact.kind, artifact.fingerprint))
    [lost] = [name for name in bucket.names() if "vectors-00002" in name]
    bucket.delete(lost)
    with pytest.raises(TransientError, match="vectors-00002.parquet is missing; run again"):
        read_all(rows)
    assert find(second, artifact.kind, artifact.fingerprint) is None
    assert len(list(check_artifact(second, artifact.folder(second)))) == 1
    assert find(first, artifact.kind, artifact.fingerprint) == artifact


def test_a_part_that_another_machine_writes_is_in_the_artifact(first, second):
    """What a worker does that sees another folder than the process that fills the artifact."""

    def body(folder: Path) -> Written:
        elsewhere = second.root / folder.relative_to(first.root)
        name, keys = "vectors-00000.parquet", KEYS[:10]
        entry = write_part(
            second, elsewhere, name, lambda path: write_shard(path, keys, [VECTORS[:10]])
        )
        return Written(rows=10, parts={name: entry})

    artifact = publish(first, "fused", "b" * 32, body)
    assert find(first, "fused", artifact.fingerprint) == artifact
    assert files(first, artifact) == [] and files(second, artifact) == ["vectors-00000.parquet"]
    assert np.array_equal(read_all(open_file_vectors(first, artifact)), VECTORS[:10])
