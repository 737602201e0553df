"""Vectors read straight from pages are those that Arrow reads, whatever the file."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sortal.storage import pages
from sortal.storage.pages import vector_groups, widened
from sortal.storage.vectors import PLAIN, vector_table

ROWS, DIM = 1000, 24


def table(kind=np.float16):
    vectors = np.random.default_rng(0).standard_normal((ROWS, DIM)).astype(kind)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIM)
    return pa.table({"key": [str(row) for row in range(ROWS)], "vector": column})


def by_arrow(path):
    lists = pq.read_table(path)["vector"].combine_chunks()
    return lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, DIM).astype(np.float32)


def plainly(path):
    """Whether the first group of rows is read without Arrow."""
    file = pq.ParquetFile(path)
    place = pages._plain_column(file)
    group = file.metadata.row_group(0)
    with path.open("rb") as raw:
        count = group.num_rows * DIM
        return place is not None and pages._group(raw, group.column(place), count) is not None


def test_every_half_is_widened_exactly():
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    np.testing.assert_array_equal(widened(halves), halves.astype(np.float32))
    finite = halves[np.isfinite(halves)].reshape(-1, 2)  # zeros keep their sign
    expected = finite.astype(np.float32)
    assert widened(finite).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("options", "plain"),
    [
        (PLAIN, True),
        ({**PLAIN, "data_page_size": 500}, True),  # many pages a group
        ({**PLAIN, "write_statistics": True}, True),
        ({**PLAIN, "compression": "zstd"}, False),
        ({**PLAIN, "use_dictionary": True}, False),
        ({**PLAIN, "data_page_version": "2.0"}, False),
    ],
)
def test_what_is_read_is_what_arrow_reads(tmp_path, options, plain):
    path = tmp_path / "vectors.parquet"
    pq.write_table(table(), path, row_group_size=300, **options)
    assert plainly(path) is plain
    found = list(vector_groups(path, 4096))
    assert [start for start, _ in found] == [0, 300, 600, 900]
    np.testing.assert_array_equal(np.concatenate([block for _, block in found]), by_arrow(path))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_other_numbers_are_left_to_arrow(tmp_path, kind):
    path = tmp_path / "vectors.parquet"
    pq.write_table(table(kind), path, **PLAIN)
    assert not plainly(path)
    found = np.concatenate([block for _, block in vector_groups(path, 300)])
    np.testing.assert_array_equal(found, by_arrow(path))


def test_a_value_that_lacks_is_not_read_over(tmp_path):
    lists = [[1.0] * DIM, [2.0] * (DIM - 1) + [None], [3.0] * DIM]
    column = pa.array(lists, pa.list_(pa.float16(), DIM))
    path = tmp_path / "vectors.parquet"
    pq.write_table(pa.table({"vector": column}), path, **{**PLAIN, "write_statistics": False})
    assert not plainly(path)
    (_, block), *_ = vector_groups(path, 10)
    assert np.isnan(block[1, -1]) and np.isfinite(block[[0, 2]]).all()


def test_groups_without_a_wanted_row_are_left_out(tmp_path):
    path = tmp_path / "vectors.parquet"
    pq.write_table(table(), path, row_group_size=300, **PLAIN)
    assert [start for start, _ in vector_groups(path, 4096, 300, 601)] == [300, 600]
    assert not list(vector_groups(path, 4096, 1000))


def test_a_torn_file_is_an_error(tmp_path):
    path = tmp_path / "vectors.parquet"
    pq.write_table(vector_table(["a"], np.ones((1, DIM))), path, **PLAIN)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(pa.ArrowInvalid):
        list(vector_groups(path, 10))
