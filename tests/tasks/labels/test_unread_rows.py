"""What of a label table is not read: it is told of by its place, and the rest is read."""

import pytest

from listings import inputs
from sortal.tasks.labels.find import find_labels

NAMES = [f"{i}.jpg" for i in range(6)]


@pytest.mark.parametrize(
    ("file", "text", "warning"),
    [
        (
            "labels.csv",
            "file_name,label\n0.jpg,a\n1.jpg\n2.jpg,b\n",
            "1 row has too few fields and is not read, line 3, '1.jpg'; give each row its 2 fields",
        ),
        (
            "labels.tsv",
            "file_name\tlabel\n0.jpg\ta\n1.jpg\n2.jpg\n3.jpg\tb\n",
            "2 rows have too few fields and are not read, such as line 3, '1.jpg'; give each row "
            "its 2 fields",
        ),
        (
            "labels.jsonl",
            '{"file_name": "0.jpg", "label": "a"}\n{"file_name": \n',
            "1 line is no JSON object and is not read, line 2, '{\"file_name\":'",
        ),
        (
            "labels.jsonl",
            '{"file_name": "0.jpg", "label": "a"}\n7\n8\n',
            "2 lines are no JSON objects and are not read, such as line 2, '7'",
        ),
        (
            "labels.json",
            '[{"file_name": "0.jpg", "label": "a"}, 3]',
            "1 of 2 entries of the list are no JSON objects",
        ),
        (
            "labels.json",
            '{"images": [{"id": 1, "file_name": "0.jpg"}], "categories": [{"id": 1, "name": "a"}],'
            ' "annotations": [{"image_id": 1, "category_id": 1}, {"image_id": 2}]}',
            "1 annotation without a category, or of an image without a file_name",
        ),
    ],
)
def test_rows_that_are_not_read_are_told_of_with_the_first_of_them(file, text, warning):
    said = find_labels(inputs(NAMES, {file: text}))
    assert said.label[0].as_py() == "a"
    assert said.warnings == [f"{file}: {warning}"]


@pytest.mark.parametrize("file", ["labels.json", "things.json", "labels.txt"])
def test_a_broken_table_is_told_of_whatever_its_ending(file):
    broken = '[{"file_name": "0.jpg", "label": "a"},\n'
    (warning,) = find_labels(inputs(NAMES, {file: broken})).warnings
    assert warning.startswith(f"{file} gives no labels: ")
