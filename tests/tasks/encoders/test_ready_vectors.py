"""Ready-made vectors: what is accepted, what is refused and how."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sortal.configs.errors import UsageError
from sortal.tasks.encoders import vectors
from sortal.tasks.sources.registry import open_source

FLOAT = pa.float32()


def rows(n, dim=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def column(values, kind="fixed", dtype=FLOAT):
    lists = [list(map(float, row)) for row in values]
    types = {
        "fixed": pa.list_(dtype, len(values[0])),
        "list": pa.list_(dtype),
        "large": pa.large_list(dtype),
    }
    return pa.array([np.asarray(r, dtype.to_pandas_dtype()) for r in lists], types[kind])


def write(folder, name, **columns):
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), folder / name)


@pytest.fixture
def folder(tmp_path):
    write(
        tmp_path,
        "images.parquet",
        key=["a", "b", "c"],
        label=["cat", None, "dog"],
        vector=column(rows(3)),
    )
    write(tmp_path, "my_nouns.parquet", text=["cat", "dog", "cat"], vector=column(rows(3, seed=1)))
    write(tmp_path, "captions.parquet", text=["a cat sits"], vector=column(rows(1, seed=2)))
    return tmp_path


def test_images_come_as_keys_labels_and_null_paths(folder):
    table = vectors.image_table(folder)
    assert table.column_names == ["key", "label", "path"]
    assert table.column("label").to_pylist() == ["cat", None, "dog"]
    assert table.column("path").null_count == 3


def test_texts_come_each_once_by_corpus(folder):
    assert vectors.texts(folder, "nouns") == ["cat", "dog"]
    assert vectors.texts(folder, "captions") == ["a cat sits"]


@pytest.mark.parametrize("kind", ["fixed", "list", "large"])
@pytest.mark.parametrize("dtype", [pa.float16(), pa.float32(), pa.float64()])
def test_any_list_of_floats_becomes_unit_vectors(tmp_path, kind, dtype):
    values = rows(5) * 7
    write(tmp_path, "images.parquet", key=list("abcde"), vector=column(values, kind, dtype))
    [(keys, got)] = vectors.image_blocks(tmp_path)
    assert keys == list("abcde")
    expected = values / np.linalg.norm(values, axis=1, keepdims=True)
    np.testing.assert_allclose(got, expected, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-6)


def test_a_sliced_column_keeps_its_rows(tmp_path):
    values = rows(5)
    for kind in ("fixed", "list"):
        got = vectors.unit_vectors(column(values, kind).slice(2), 4, tmp_path)
        np.testing.assert_allclose(
            got, values[2:] / np.linalg.norm(values[2:], axis=1)[:, None], atol=1e-6
        )


def test_the_first_of_equal_texts_counts(folder):
    got = vectors.look_up(folder, ["dog", "cat", "dog"])
    first = rows(3, seed=1)
    np.testing.assert_allclose(got[1], first[0] / np.linalg.norm(first[0]), atol=1e-6)
    np.testing.assert_array_equal(got[0], got[2])


def test_a_text_without_vector_is_named(folder):
    with pytest.raises(UsageError, match="got 1 text without one, first 'zebra'"):
        vectors.look_up(folder, ["cat", "zebra"])


@pytest.mark.parametrize(
    ("value", "what"), [(np.nan, "NaN or infinity"), (np.inf, "NaN or infinity"), (0, "zero")]
)
def test_a_useless_vector_is_refused_by_row(tmp_path, value, what):
    values = rows(4)
    values[2] = value
    write(tmp_path, "images.parquet", key=list("abcd"), vector=column(values))
    with pytest.raises(UsageError, match=rf"row 2 \('c'\) is .*{what}"):
        list(vectors.image_blocks(tmp_path))


def test_mixed_lengths_are_refused_inside_a_file_and_across_files(tmp_path):
    ragged = pa.array([[1.0, 2.0], [1.0, 2.0, 3.0]], pa.list_(pa.float32()))
    write(tmp_path, "images.parquet", key=["a", "b"], vector=ragged)
    with pytest.raises(UsageError, match="row 1 has 3, others have 2"):
        list(vectors.image_blocks(tmp_path))
    write(tmp_path, "images.parquet", key=["a", "b"], vector=column(rows(2, 4)))
    write(tmp_path, "nouns.parquet", text=["a", "b"], vector=column(rows(2, 5)))
    with pytest.raises(UsageError, match="row 0 has 5, others have 4"):
        vectors.look_up(tmp_path, ["a"])


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [
        (np.float64, 1e300), (np.float64, 1e-300), (np.float32, 1e30), (np.float32, 1e-30),
        (np.float16, 1), (np.int64, 1e15), (np.int8, 20),
    ],
)  # fmt: skip
def test_vectors_of_any_scale_are_brought_to_unit_length(tmp_path, dtype, scale):
    given = (rows(5).astype(np.float64) * scale).astype(dtype)
    write(tmp_path, "images.parquet", key=list("abcde"), vector=list(given))
    ((_, found),) = vectors.image_blocks(tmp_path)
    exact = given.astype(np.longdouble)
    exact /= np.sqrt((exact**2).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found, exact.astype(np.float32), atol=1e-6)


def test_what_is_no_parquet_is_one_line(tmp_path):
    (tmp_path / "images.parquet").write_bytes(b"junk")
    with pytest.raises(UsageError, match="must be a Parquet file that can be read"):
        vectors.dim_of(tmp_path)


def test_missing_columns_files_and_folders_are_named(tmp_path):
    with pytest.raises(UsageError, match="must name a folder"):
        vectors.image_table(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"\*images\*\.parquet, got none"):
        vectors.image_table(tmp_path)
    write(tmp_path, "images.parquet", id=["a"], vector=column(rows(1)))
    with pytest.raises(UsageError, match="key is missing, it has id, vector"):
        vectors.image_table(tmp_path)
    write(tmp_path, "images.parquet", key=["a"], vector=[1.0])
    with pytest.raises(UsageError, match="list of numbers, got double"):
        vectors.dim_of(tmp_path)


def test_the_fingerprint_follows_the_files_bytes(folder):
    before = vectors.fingerprint_of(folder)
    assert vectors.fingerprint_of(folder) == before
    write(folder, "captions.parquet", text=["a dog sits"], vector=column(rows(1, seed=2)))
    assert vectors.fingerprint_of(folder) != before


def test_the_real_clip_vectors_classify_zero_shot(clip):
    shared = clip
    table = vectors.image_table(shared)
    images = np.concatenate([block for _, block in vectors.image_blocks(shared)])
    names = sorted(set(table.column("label").to_pylist()))
    known = set(vectors.texts(shared, "nouns"))
    names = [name for name in names if name in known]
    labels = np.array(table.column("label").to_pylist())
    use = np.isin(labels, names)
    guess = np.array(names)[(images @ vectors.look_up(shared, names).T).argmax(axis=1)]
    assert len(names) >= 7
    assert (guess[use] == labels[use]).mean() > 0.85


@pytest.mark.parametrize("name", ["IMAGES.PARQUET", "my.Images-0.Parquet"])
def test_files_are_known_by_their_names_in_any_case(tmp_path, name):
    write(tmp_path, name, key=["a", "b"], vector=column(rows(2)))
    found = open_source(f"{tmp_path}")
    assert found.vectors == tmp_path.resolve()
    assert vectors.image_table(found.vectors)["key"].to_pylist() == ["a", "b"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([[1, 2], [3], []], ["1", "3", None]),
        ([{"name": "cat"}, {"name": " dog "}, None], ["cat", "dog", None]),
        ([float("nan"), 1.0, 2.5], [None, "1.0", "2.5"]),
        (["", " ", "cat "], [None, None, "cat"]),
        ([b"cat", b"dog", b"caf\xe9"], ["cat", "dog", "caf\ufffd"]),
        ([True, False, None], ["true", "false", None]),
    ],
)
def test_labels_of_any_type_are_what_they_are_in_every_other_table(tmp_path, labels, expected):
    write(tmp_path, "images.parquet", key=list("abc"), label=labels, vector=column(rows(3)))
    assert vectors.image_table(tmp_path)["label"].to_pylist() == expected
    assert list(vectors.column_of(tmp_path, "label")) == list("abc")


def test_labels_may_be_those_of_another_column(tmp_path):
    told = {"label": ["cat", "dog"], "colour": ["red", None]}
    write(tmp_path, "images.parquet", key=list("ab"), vector=column(rows(2)), **told)
    assert vectors.image_table(tmp_path)["label"].to_pylist() == ["cat", "dog"]
    assert vectors.image_table(tmp_path, "colour")["label"].to_pylist() == ["red", None]
    with pytest.raises(UsageError, match="size is missing, it has key, vector, label, colour"):
        vectors.image_table(tmp_path, "size")


@pytest.mark.parametrize("bad", [None, "", "a\0b"])
@pytest.mark.parametrize(("file", "name"), [("images", "key"), ("nouns", "text")])
def test_a_row_without_a_name_that_a_table_can_hold_is_refused(tmp_path, file, name, bad):
    write(tmp_path, f"{file}.parquet", **{name: ["x", bad], "vector": column(rows(2))})
    with pytest.raises(UsageError, match=f"{name} must not be null or empty.*as in row 1"):
        vectors.image_table(tmp_path) if name == "key" else vectors.held(tmp_path)


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    values = column(rows(2))
    names = ["key", "vector", "vector"]
    pq.write_table(
        pa.Table.from_arrays([pa.array(["a", "b"]), values, values], names),
        tmp_path / "images.parquet",
    )
    with pytest.raises(UsageError, match="must have one column vector, got 2"):
        vectors.dim_of(tmp_path)
