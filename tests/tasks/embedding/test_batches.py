"""Reading: batches in order, in this process or in others, with a row for each failure."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_files import CONFIG, to_tensor, write
from sortal.configs.errors import RunError
from sortal.storage.hashing import hash_file
from sortal.tasks.embedding.batches import Batches, bounds_of, read_batches
from sortal.tasks.sources.registry import open_source


def die(image):
    """A transform that ends its process, as a crashing decoder would."""
    import os

    os._exit(1)


def dataset(folder, n, batch_size=4, transform=to_tensor, shard_size=6):
    paths = [write(folder / f"{i:03}.png", seed=i) for i in range(n)]
    table = pa.table(
        {
            "key": [hash_file(path) for path in paths],
            "path": [path.name for path in paths],
            "offset": pa.nulls(n, pa.int64()),
            "bytes": [path.stat().st_size for path in paths],
        }
    )
    bounds = bounds_of(n, shard_size, batch_size)
    return Batches(open_source(str(folder)), table, bounds, CONFIG, transform), table


@given(st.integers(0, 200), st.integers(1, 50), st.integers(1, 50))
def test_bounds_cover_every_row_once_and_respect_shards(total, shard_size, batch_size):
    bounds = bounds_of(total, shard_size, batch_size)
    rows = [row for start, stop in bounds for row in range(start, stop)]
    assert rows == list(range(total))
    for start, stop in bounds:
        assert 0 < stop - start <= batch_size
        assert start // shard_size == (stop - 1) // shard_size


def test_other_processes_read_the_same_batches_in_the_same_order(tmp_path):
    batches, table = dataset(tmp_path, 20)
    here = list(read_batches(batches, 20, num_workers=0))
    there = list(read_batches(batches, 20_000, num_workers=2))
    assert [batch.keys for batch in here] == [batch.keys for batch in there]
    assert [key for batch in here for key in batch.keys] == table["key"].to_pylist()
    for one, other in zip(here, there, strict=True):
        assert isinstance(other.pixels, np.ndarray)
        np.testing.assert_array_equal(one.pixels, other.pixels)


def test_a_dead_reading_process_ends_the_run_with_advice(tmp_path):
    batches, _ = dataset(tmp_path, 8, transform=die)
    with pytest.raises(RunError, match=r"set encoder\.num_workers to 0"):
        list(read_batches(batches, 20_000, num_workers=1))


def test_each_failure_is_a_row_and_says_whether_it_will_last(tmp_path):
    batches, table = dataset(tmp_path, 4)
    (tmp_path / "000.png").unlink()
    write(tmp_path / "001.png", seed=99)
    truncated = (tmp_path / "002.png").read_bytes()[:200]
    (tmp_path / "002.png").write_bytes(truncated)
    keys = table["key"].to_pylist()
    keys[2] = hash_file(tmp_path / "002.png")
    table = table.set_column(0, "key", pa.array(keys))
    batches = Batches(open_source(str(tmp_path)), table, [(0, 4)], CONFIG, to_tensor)
    [batch] = read_batches(batches, 4, num_workers=0)
    assert batch.keys == keys[3:]
    found = {failure.key: (failure.error_code, failure.lasting) for failure in batch.failures}
    assert found == {
        keys[0]: ("missing", False),
        keys[1]: ("changed", False),
        keys[2]: ("truncated", True),
    }
