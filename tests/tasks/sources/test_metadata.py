import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sortal.configs.errors import UsageError
from sortal.tasks.sources.metadata import common_folder, folder_labels, metadata_of, read_metadata

CSV = b"file_name,label,caption\na.jpg,cat,x\nsub/b.jpg,dog,y\nc.jpg,,z\n"


def test_class_folders_are_labels_unless_an_image_lies_outside_them() -> None:
    paths = ["cat/1.jpg", "dog/deep/2.jpg", "broken.jpg"]
    assert folder_labels(paths, [True, True, False]) == ["cat", "dog", None]
    assert folder_labels(paths, [True, True, True]) == [None, None, None]


def test_a_tars_own_folder_is_no_class() -> None:
    paths = ["top/cat/1.jpg", "top/dog/2.jpg"]
    assert common_folder(paths) == "top/"
    assert folder_labels(paths, [True, True], "top/") == ["cat", "dog"]
    assert common_folder(["cat/1.jpg", "dog/2.jpg"]) == ""
    assert common_folder(["top/1.jpg", "2.jpg"]) == common_folder([]) == ""


def test_csv_jsonl_and_parquet_say_the_same(tmp_path: Path) -> None:
    want = {"a.jpg": "cat", "sub/b.jpg": "dog", "c.jpg": None}
    rows = [{"file_name": name, "label": label, "caption": "x"} for name, label in want.items()]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "m.parquet")
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    assert read_metadata("metadata.csv", CSV) == want
    assert read_metadata("metadata.jsonl", lines) == want
    assert read_metadata("metadata.parquet", (tmp_path / "m.parquet").read_bytes()) == want


def test_names_are_relative_to_the_metadata_file() -> None:
    assert read_metadata("metadata.csv", b"file_name\n./a.jpg\n", "top/") == {"top/a.jpg": None}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"name,label\na.jpg,1\n", "must have a column 'file_name'"),
        (b"file_name,label,Label\na.jpg,1,2\n", "must have one column 'label'"),
        (b"file_name,label,label\na.jpg,1,2\n", "must have one column 'label'"),
        (b"file_name,label\na.jpg,1\na.jpg,2\n", "one label"),
        (b"file_name,label\n,1\n", "must name a file in every row"),
        (b"file_name\n../../etc/passwd\n", "inside the source"),
        (b"file_name\n/etc/passwd\n", "inside the source"),
        (b"file_name\nsub/../../x.jpg\n", "inside the source"),
        (b"file_name\n\xff.jpg\n", "cannot be read"),
    ],
)
def test_metadata_that_breaks_a_rule_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_metadata("metadata.csv", data)


@pytest.mark.parametrize(
    "line",
    ['{"file_name": "a.jpg", "label": [1]}', '{"file_name": "a\\u0000.jpg"}',
     '{"file_name": "\\ud800.jpg"}', '{"file_name": 3}', "[1]", "{"],
)  # fmt: skip
def test_odd_json_is_refused(line: str) -> None:
    with pytest.raises(UsageError):
        read_metadata("metadata.jsonl", line.encode())


@given(st.text())
def test_a_metadata_name_stays_inside_or_is_refused(name: str) -> None:
    row = json.dumps({"file_name": name}).encode()
    try:
        (path,) = read_metadata("metadata.jsonl", row)
    except UsageError:
        return
    root = Path("/root")
    assert (root / path).resolve().is_relative_to(root) and not path.startswith("/")


def test_two_metadata_files_are_refused() -> None:
    assert metadata_of(["top/metadata.csv", "metadata.csv"], "top/") == "top/metadata.csv"
    with pytest.raises(UsageError, match="keep one"):
        metadata_of(["metadata.csv", "metadata.jsonl"])
