"""Images in Parquet and Arrow files: the column is found by type, name and content."""

import io
import json
import logging
import pickle
import random
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sortal.tasks.containers.arrow import ARROW
from sortal.tasks.containers.base import MEMBERS, Columns, NoImagesError
from sortal.tasks.containers.parquet import PARQUET
from sortal.tasks.containers.table import close_last
from sortal.tasks.errors import ImageError

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def picture(shade: int, form: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 40, 90)).save(out, form)
    return out.getvalue()


BYTES = [picture(20 * i) for i in range(6)]


@dataclass(frozen=True)
class FileOpener:
    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def bytes(self) -> int:
        return self.path.stat().st_size

    def __call__(self) -> BinaryIO:
        return self.path.open("rb")


def written(folder, columns, kind="parquet", notes=None, rows=2):
    """(container, opener) of a file with the columns, in pieces of so many rows."""
    table = pa.table(columns)
    if notes:
        table = table.replace_schema_metadata({"huggingface": json.dumps(notes)})
    path = folder / f"{len(list(folder.iterdir()))}.{kind}"
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=rows)
        return PARQUET, FileOpener(path)
    make = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
    with make(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    return ARROW, FileOpener(path)


def members(container, opener, columns=Columns()):  # noqa: B008
    batches = list(container.members(opener, columns))
    assert all(batch.schema == MEMBERS for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


def contents(container, opener, columns=Columns()):  # noqa: B008
    return [
        container.open(opener, row["path"], row["offset"], row["bytes"]).read()
        for row in members(container, opener, columns)
    ]


@pytest.mark.parametrize("kind", ["parquet", "arrow", "arrows"])
@pytest.mark.parametrize(
    "columns",
    [
        {"image": pa.array([{"bytes": b, "path": "a"} for b in BYTES], STRUCT)},
        {"Image": pa.array([{"path": None, "bytes": b} for b in BYTES])},
        {"image": pa.array(BYTES).dictionary_encode()},
        {"jpg": pa.array(BYTES, pa.large_binary())},
        {"image": pa.array(BYTES, pa.binary_view())},
        {"image_bytes": BYTES, "sha": [b"x" * 32] * 6},
        {"content": BYTES, "bytes": list(range(6))},
        {"whatever": BYTES, "image": [b"no image"] * 6},
        {"n": [1] * 6, "pic": [{"data": b, "width": 3} for b in BYTES]},
        {"images": pa.array([[{"bytes": b, "path": "a"}] for b in BYTES], pa.list_(STRUCT))},
        {"images": pa.array([[b] for b in BYTES], pa.large_list(pa.large_binary()))},
        {"images": pa.array([[b] for b in BYTES], pa.list_(pa.binary(), 1))},
    ],
)
def test_images_are_found_whatever_type_holds_them(tmp_path, kind, columns):
    assert contents(*written(tmp_path, columns, kind)) == BYTES
    fixed = {"image": pa.array([BYTES[0]] * 3, pa.binary(len(BYTES[0])))}
    assert contents(*written(tmp_path, fixed, kind)) == [BYTES[0]] * 3


@pytest.mark.parametrize("kind", ["parquet", "arrow", "arrows"])
def test_rows_are_read_in_any_order_by_another_process_as_well(tmp_path, kind):
    container, opener = written(tmp_path, {"image": BYTES}, kind)
    rows = members(container, opener)
    assert [row["path"] for row in rows] == list("012345")
    container = pickle.loads(pickle.dumps(container))
    close_last()
    for i in (5, 0, 3, 3, 1, 4, 2):
        assert container.open(opener, str(i), rows[i]["offset"], 0).read() == BYTES[i]
    with pytest.raises(ImageError, match="gone"):
        container.open(opener, "9", 9, 0)


def test_names_and_labels_come_with_the_rows(tmp_path):
    images = [{"bytes": b, "path": f"x/{i}.jpg"} for i, b in enumerate(BYTES)]
    notes = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    columns = {"image": pa.array(images, STRUCT), "label": [0, 1, 0, None, 1, 0]}
    rows = members(*written(tmp_path, columns, notes=notes))
    assert [row["path"] for row in rows[:2]] == ["0/0.jpg", "1/1.jpg"]
    assert [row["label"] for row in rows] == ["cat", "dog", "cat", None, "dog", "cat"]
    columns = {"jpg": BYTES, "key": [7, None, 9, 10, 11, 12], "caption": list("abcdef")}
    rows = members(*written(tmp_path, columns), Columns(label="caption"))
    assert [row["path"] for row in rows[:3]] == ["0/7", "1", "2/9"]
    assert [row["label"] for row in rows] == list("abcdef")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, 1.0] * 3, ["0.5", "1.0"] * 3),
        ([True, False] * 3, ["true", "false"] * 3),
        ([["a", "b"], []] * 3, ["a", None] * 3),
        (pa.array(["a", None] * 3).dictionary_encode(), ["a", None] * 3),
        (pa.nulls(6), [None] * 6),
        ([{"name": "a"}, None] * 3, ["a", None] * 3),
        (["a ", "", " "] * 2, ["a", None, None] * 2),
    ],
)
def test_labels_have_any_type_and_many_names(tmp_path, values, expected):
    for name in ("labels", "Class", "fine_label", "species"):
        rows = members(*written(tmp_path, {"image": BYTES, name: values}))
        assert [row["label"] for row in rows] == expected


def test_each_image_of_a_list_is_a_member_with_an_index(tmp_path):
    lists = [[BYTES[0], BYTES[1]], None, [], [None], [BYTES[2]]]
    columns = {"images": pa.array(lists, pa.list_(pa.binary())), "label": list("abcde")}
    container, opener = written(tmp_path, columns)
    rows = members(container, opener)
    assert [(row["path"], row["label"]) for row in rows] == [
        ("0.0", "a"), ("0.1", "a"), ("3.0", "d"), ("4.0", "e"),
    ]  # fmt: skip
    with pytest.raises(ImageError, match="holds no bytes"):
        container.open(opener, "3.0", rows[2]["offset"], 0)
    assert container.open(opener, "0.1", rows[1]["offset"], 0).read() == BYTES[1]


def test_of_several_columns_one_is_chosen_and_said_and_the_user_may_name_another(tmp_path, caplog):
    container, opener = written(tmp_path, {"left": BYTES, "Right": BYTES[::-1]})
    with caplog.at_level(logging.WARNING, "sortal"):
        assert contents(container, opener) == BYTES
    assert "images of the column left are read, not of Right" in caplog.text
    assert contents(container, opener, Columns("right")) == BYTES[::-1]
    assert contents(container, opener) == BYTES


def test_a_table_without_images_says_what_it_has(tmp_path):
    columns = {"id": [1], "sha": [b"no image"], "image": ["a.jpg"]}
    with pytest.raises(NoImagesError, match="got id int64, sha binary, image string"):
        members(*written(tmp_path, columns))
    with pytest.raises(NoImagesError, match="no column 'photo' holds bytes, got image binary"):
        members(*written(tmp_path, {"image": BYTES}), Columns("photo"))
    files = pa.array([{"bytes": None, "path": "a.jpg"}], STRUCT)
    with pytest.raises(NoImagesError):  # a table about files
        members(*written(tmp_path, {"image": files}))


def test_rows_without_bytes_are_rows(tmp_path):
    for values in (pa.array([None, BYTES[0]], pa.binary()), pa.nulls(2)):
        container, opener = written(tmp_path, {"image": values})
        assert len(members(container, opener)) == 2
        with pytest.raises(ImageError, match="holds no bytes"):
            container.open(opener, "0", 0, 0)


def test_what_is_damaged_is_an_error_of_the_file_or_of_its_rows(tmp_path):
    for kind in ("parquet", "arrow", "arrows"):
        container, opener = written(tmp_path, {"image": BYTES * 200}, kind)
        opener.path.write_bytes(opener.path.read_bytes()[:40])
        close_last()
        with pytest.raises(ImageError, match="damaged"):
            members(container, opener)
        with pytest.raises(ImageError, match="damaged"):
            container.open(opener, "0", 0, 0)
    container, opener = written(tmp_path, {"image": BYTES * 200}, "arrows")
    whole = opener.path.read_bytes()
    opener.path.write_bytes(whole[: len(whole) // 2])
    *rows, lost = members(container, opener)
    assert 500 < len(rows) < 700
    assert lost["path"] == opener.name and lost["error_code"] == "damaged"


@pytest.mark.parametrize("kind", ["parquet", "arrow", "arrows"])
def test_bytes_that_lie_never_end_the_process(tmp_path, kind):
    container, opener = written(tmp_path, {"image": BYTES, "label": list("abcdef")}, kind)
    whole = opener.path.read_bytes()
    generator = random.Random(0)
    for number in range(60):
        data = bytearray(whole)
        for _ in range(4):
            data[generator.randrange(len(data))] = generator.randrange(256)
        path = tmp_path / f"{number}.{kind}"
        path.write_bytes(data)
        with suppress(ImageError, NoImagesError):
            for row in members(container, FileOpener(path)):
                with suppress(ImageError):
                    container.open(FileOpener(path), row["path"], row["offset"] or 0, 0)


def test_labels_that_a_competition_hides_are_none(tmp_path):
    notes = {"info": {"features": {"label": {"names": ["cat", "dog"]}}}}
    rows = members(*written(tmp_path, {"image": BYTES, "label": [-1, 0] * 3}, notes=notes))
    assert [row["label"] for row in rows] == [None, "cat"] * 3
