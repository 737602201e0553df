import numpy as np
import pyarrow.parquet as pq
import pytest

from sortal.storage.rows import Rows, as_rows, read_all
from sortal.storage.vector_sets import FileVectors, VectorSet, write_index
from sortal.storage.vectors import VectorStore, vector_table
from sortal.storage.workspace import Workspace


def _vectors(n, seed=0, dim=8):
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float16).astype(np.float32)


def _keys(n, start=0):
    return [f"{i:032x}" for i in range(start, start + n)]


@pytest.fixture
def store(workspace):
    return VectorStore.of(workspace, "encoder", "images")


def test_shards_are_read_back_in_the_order_they_were_added(store, tmp_path):
    first, second = _vectors(5000, 0), _vectors(7, 1)
    store.add(_keys(5000), first)
    store.add(_keys(7, 5000), second)
    write_index(tmp_path, store, _keys(5007))
    rows = VectorSet(tmp_path, store)
    assert isinstance(rows, Rows) and rows.shape == (5007, 8)
    assert rows.keys == _keys(5007)
    np.testing.assert_array_equal(read_all(rows), np.concatenate([first, second]))


@pytest.mark.parametrize("size", [1, 3, 4096, 5000, 10_000])
def test_blocks_have_the_size_asked_for_and_cover_every_row_once(store, tmp_path, size):
    store.add(_keys(4500), _vectors(4500))
    store.add(_keys(500, 4500), _vectors(500, 1))
    write_index(tmp_path, store, _keys(5000))
    sizes = [len(block) for block in VectorSet(tmp_path, store).blocks(size)]
    assert sum(sizes) == 5000
    assert all(s == size for s in sizes[:-1]) and sizes[-1] <= size


def test_an_index_holds_only_the_keys_asked_for(store, tmp_path):
    vectors = _vectors(100)
    store.add(_keys(100), vectors)
    wanted = _keys(100)[10:20] + _keys(100)[3:5]
    write_index(tmp_path, store, wanted)
    rows = VectorSet(tmp_path, store)
    assert sorted(rows.keys) == sorted(wanted)
    np.testing.assert_array_equal(read_all(rows), vectors[[3, 4, *range(10, 20)]])


def test_only_keys_of_a_damaged_shard_go_missing(store):
    good = store.add(_keys(10), _vectors(10))
    bad = store.add(_keys(5, 10), _vectors(5, 1))
    data = bytearray(bad.read_bytes())
    data[len(data) // 2] ^= 1
    bad.write_bytes(bytes(data))
    assert store.shards() == [good]
    assert store.missing(_keys(20)).to_pylist() == _keys(10, 10)


def test_a_shard_without_its_sidecar_does_not_count(store):
    path = store.add(_keys(10), _vectors(10))
    path.with_suffix(".json").unlink()
    assert store.missing(_keys(10)).to_pylist() == _keys(10)


def test_the_same_keys_make_the_same_identity_after_a_rebuild(store, tmp_path):
    path = store.add(_keys(10), _vectors(10))
    _, before = write_index(tmp_path, store, _keys(10))
    path.unlink()
    store.add(_keys(10), _vectors(10))
    _, after = write_index(tmp_path, store, _keys(10))
    assert before == after


def test_files_and_arrays_read_the_same(tmp_path):
    vectors = _vectors(300)
    pq.write_table(vector_table(_keys(200), vectors[:200]), tmp_path / "a.parquet")
    pq.write_table(vector_table(_keys(100, 200), vectors[200:]), tmp_path / "b.parquet")
    files = FileVectors([tmp_path / "a.parquet", tmp_path / "b.parquet"])
    assert files.shape == (300, 8)
    np.testing.assert_array_equal(read_all(files), read_all(as_rows(vectors)))


def test_a_few_vectors_are_taken_by_key_and_unknown_keys_left_out(tmp_path):
    store = VectorStore.of(Workspace(tmp_path).create(), "e", "texts")
    store.add(["a", "b"], np.eye(2, dtype=np.float32))
    store.add(["c"], np.full((1, 2), 0.5, dtype=np.float32))
    found = store.take(["c", "nothing", "b", "c"])
    assert {key: vector.tolist() for key, vector in found.items()} == {
        "b": [0.0, 1.0],
        "c": [0.5, 0.5],
    }
