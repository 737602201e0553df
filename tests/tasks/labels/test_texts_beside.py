"""Labels and captions that lie beside images, in archives and in folders."""

import json

import pyarrow as pa
import pytest

from listings import inputs
from sortal.configs.errors import UsageError
from sortal.tasks.labels.find import find_labels
from sortal.tasks.labels.texts import find_texts

IMAGES = [f"p/s{i}.jpg" for i in range(6)]


def beside(ending, *values, images=IMAGES):
    return {f"{image[:-4]}{ending}": values[i % len(values)] for i, image in enumerate(images)}


def labels(texts, images=IMAGES, **options):
    return find_labels(inputs(images, texts, **options)).label.to_pylist()


@pytest.mark.parametrize("members", [False, True])
@pytest.mark.parametrize(
    "texts",
    [
        beside(".cls", "cat\n", "dog\r\n"),
        beside(".CLS", "cat", "dog"),
        beside(".json", '{"label": "cat"}', '{"Label": "dog"}'),
        beside(".json", '{"category": "cat", "url": "x"}', '{"category": "dog"}'),
        beside(".json", '{"class": {"name": "cat"}}', '{"class": ["dog", "x"]}'),
        beside(".txt", "cat", "dog"),
        beside(".txt", b"\xff\xfec\0a\0t\0", "dog"),
        beside(".txt", "a long caption of an image", "b c d e") | beside(".cls", "cat", "dog"),
        beside(".jpg.json", '{"label": "cat"}', '{"label": "dog"}'),
    ],
)
def test_labels_lie_beside_images(texts, members):
    assert labels(texts, members=members) == ["cat", "dog"] * 3


def test_numbers_are_labels():
    assert labels(beside(".index", "0", "1")) == ["0", "1"] * 3
    assert labels(beside(".txt", "3", "14")) == ["3", "14"] * 3


@pytest.mark.parametrize(
    "texts",
    [
        beside(".txt", *(f"photo of {i}" for i in range(6))),
        beside(".txt", *(f"word{i}" for i in range(6))),
        beside(".txt", "0 0.5 0.5 0.1 0.1", "1 0.5 0.5 0.2 0.2"),
        beside(".json", '{"caption": "x", "width": 3}'),
        beside(".json", "no json", "[1]"),
    ],
)
def test_captions_and_measures_are_no_labels(texts):
    images = [path.removeprefix("p/") for path in IMAGES]
    assert (
        labels({name.removeprefix("p/"): text for name, text in texts.items()}, images)
        == [None] * 6
    )


def test_images_of_one_key_share_its_texts():
    images = ["0.left.jpg", "0.right.jpg", "1.left.jpg", "1.v.jpg", "a.b/2.jpg"]
    texts = {"0.cls": "x", "1.cls": "y", "1.left.cls": "z", "a.cls": "no"}
    assert labels(texts, images, members=True) == ["x", "x", "z", "y", None]


def test_a_container_goes_before_a_table_and_a_table_before_what_lies_beside():
    texts = beside(".cls", "cat") | {"p/metadata.csv": "file_name,label\ns0.jpg,fox\n"}
    assert labels(texts) == ["fox", *[None] * 5]
    images = ["x.parquet/0", "p/1.jpg", "y.tar/1.jpg"]
    texts = {"p/labels.csv": "f,label\n1.jpg,b\n", "y.tar/1.cls": "c"}
    assert labels(texts, images, own=["a", None, None]) == ["a", "b", None]
    assert labels(texts, images, own=["a", None, None], members=True) == ["a", "b", "c"]


def test_texts_that_cannot_be_read_are_none():
    assert labels(beside(".cls", "cat", "LOCKED"))[:2] == ["cat", None]


def test_texts_come_by_their_ending_by_key_by_table_and_by_container():
    texts = beside(".txt", "one", "") | beside(".json", json.dumps({"txt": "other", "n": 3}))
    found = find_texts(inputs(IMAGES, texts), "txt", "here")
    assert found.to_pylist()[:2] == ["one", "other"]
    assert find_texts(inputs(IMAGES, texts), "n", "here")[0].as_py() == "3"
    table = {"metadata.csv": "file_name,title\np/s0.jpg,first\np/s0.jpg,second\n"}
    assert find_texts(inputs(IMAGES, table | texts), "title", "here").to_pylist() == [
        "first",
        *[None] * 5,
    ]
    assert find_texts(inputs(IMAGES, own=list("abcdef")), "title", "here").to_pylist() == list(
        "abcdef"
    )


def test_a_text_that_nothing_has_is_refused_with_what_there_is():
    with pytest.raises(UsageError, match=r"metadata.csv must have the column 'titel'.*'title'"):
        find_texts(
            inputs(IMAGES, {"metadata.csv": "file_name,title\np/s0.jpg,x\n"}), "titel", "here"
        )
    with pytest.raises(UsageError, match="needs a metadata file at the top.*got none in 'here'"):
        find_texts(inputs(IMAGES), "title", "here")


def test_a_label_column_that_nothing_has_is_told_of_where_other_texts_give_labels():
    both = beside(".cls", "cat", "dog") | beside(".json", '{"kind": "a"}', '{"kind": "b"}')
    said = find_labels(inputs(IMAGES, both, column="species"))
    assert said.label.to_pylist() == ["cat", "dog"] * 3
    assert said.warnings == [
        "no table and no text beside an image has the label column 'species'; labels are those of "
        "other texts beside images"
    ]
    for column in ("kind", "Kind", "cls"):
        assert find_labels(inputs(IMAGES, both, column=column)).warnings == []
    table = {"p/labels.csv": "file_name,species\ns0.jpg,cat\n"}
    assert find_labels(inputs(IMAGES, both | table, column="species")).warnings == []


@pytest.mark.parametrize("members", [False, True])
@pytest.mark.parametrize(
    ("ending", "broken", "why"),
    [
        (".json", '{"label": "cat"', "it is no JSON"),
        (".json", "", "it is empty"),
        (".json", '["cat"]', "it is no JSON object"),
        (".json", "LOCKED", "it cannot be read (Permission denied)"),
        (".cls", "", "it is empty"),
        (".cls", b"\0\0\xff\xfe\0\0\0", "it holds binary data"),
        (".index", "\n", "it is empty"),
        (".txt", b"\0\0\xff\xfe\0\0\0", "it holds binary data"),
    ],
)
def test_one_broken_text_beside_an_image_is_told_by_name(ending, broken, why, members):
    good = '{"label": "cat"}' if ending == ".json" else "7"
    said = find_labels(
        inputs(IMAGES, beside(ending, good) | {f"p/s3{ending}": broken}, members=members)
    )
    label = "cat" if ending == ".json" else "7"
    assert said.label.to_pylist() == [label, label, label, None, label, label]
    (warning,) = said.warnings
    assert warning.startswith(f"p/s3{ending} beside an image gives no label: {why}")


def test_many_broken_texts_are_one_line_with_the_first_of_them():
    said = find_labels(inputs(IMAGES, beside(".json", "{", '{"label": "cat"}')))
    assert said.warnings[0].startswith(
        "3 .json beside images give no label, such as p/s0.json: it is no JSON ("
    )


def test_texts_that_hold_no_labels_are_told_of_only_where_they_are_broken():
    facts = beside(".json", '{"width": 3}') | beside(".txt", "a dog runs in the snow", "two cats")
    assert find_labels(inputs(IMAGES, facts)).warnings == []
    broken = {"p/s1.json": "{", "p/s2.txt": b"\0\1\2\0\0\0\3\0"}
    warnings = find_labels(inputs(IMAGES, facts | broken)).warnings
    assert [text.partition(" ")[0] for text in warnings] == ["p/s1.json", "p/s2.txt"]


def test_a_text_beside_an_image_that_is_too_large_is_told_of():
    given = inputs(["a.jpg", "b.jpg"], {"a.json": '{"label": "x"}', "b.json": '{"label": "x"}'})
    sizes = pa.array([1, 1 << 21], pa.int64())
    texts = given.texts.set_column(1, "bytes", sizes)
    assert find_labels(given._replace(texts=texts)).warnings == [
        "b.json beside an image gives no label: it has more than 1,048,576 bytes; mend or delete it"
    ]
