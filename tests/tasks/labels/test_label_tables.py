"""Label tables as people write them: delimiters, encodings, columns, names, and what is broken."""

import csv
import io
import json
import re
import unicodedata

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from listings import inputs
from sortal.tasks.labels.find import find_labels
from sortal.tasks.labels.match import Paths, inside
from sortal.tasks.labels.tables import read_table

NAMES = [f"{i}.jpg" for i in range(6)]
LABELS = list("aabbcc")


def table(sep=",", head=("file_name", "label"), name=lambda n: n, names=NAMES):
    lines = [sep.join(head), *(f"{name(n)}{sep}{x}" for n, x in zip(names, LABELS, strict=False))]
    return "\n".join(lines) + "\n"


def rows(form):
    return "".join(form.format(n, x) for n, x in zip(NAMES, LABELS, strict=True))


def found(text, file="metadata.csv", images=NAMES, column=None):
    return find_labels(inputs(images, {file: text}, column=column))


def labels(text, file="metadata.csv", images=NAMES, column=None):
    said = found(text, file, images, column)
    assert said.missing == [] and said.warnings == []
    return said.label.to_pylist()


def parquet(**columns) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        table(),
        table(";"),
        table("\t"),
        table("|"),
        "sep=;\n" + table(";"),
        table().replace("\n", "\r\n"),
        "\ufeff" + table(),
        table().encode("utf-16"),
        table().encode("utf-16-le"),
        table().encode("utf-16-be"),
        table().encode("utf-32"),
        '"file_name","label"\n' + rows('"{}","{}"\n'),
        table(head=("File Name", "Label")),
        table(head=("fileName", "CLASS")),
        table(head=("image", "target")),
        table(head=("id", "breed"), name=lambda n: n.removesuffix(".jpg")),
        table(head=("what", "ever")),
        rows("{},{}\n"),
        table(name=lambda n: f" {n} "),
        table(name=lambda n: f"./{n}"),
        table(name=str.upper),
        table(name=lambda n: f"/home/me/photos/{n}"),
        table(name=lambda n: f"D:\\photos\\{n}"),
        table(name=lambda n: f"https://host/x/{n}?w=3"),
        "file_name;label;score\n" + rows("{};{};0,5\n"),
        "file_name,label,text\n" + rows("{},{},one, two\n"),
        "file_name,text,label\n" + rows(f"{{}},{'x' * 140_000},{{}}\n"),
        "file_name,text,label\n" + rows('{},"two\nlines",{}\n'),
        "file_name\ttext\tlabel\n" + rows('{}\t5" x\t{}\n'),
        "file_name\ttext\tlabel\n" + rows('{}\t"x\t{}\n'),
    ],
)
def test_a_table_is_read_however_it_is_written(text):
    assert labels(text) == LABELS


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("labels.json", json.dumps(dict(zip(NAMES, LABELS, strict=True)))),
        (
            "a.json",
            json.dumps([{"img": n, "class": x} for n, x in zip(NAMES, LABELS, strict=True)]),
        ),
        ("a.json", json.dumps({"image": NAMES, "label": LABELS})),
        (
            "a.json",
            json.dumps(
                {"data": [{"file": n, "label": x} for n, x in zip(NAMES, LABELS, strict=True)]}
            ),
        ),
        (
            "a.ndjson",
            "\n".join(json.dumps({"path": n, "y": x}) for n, x in zip(NAMES, LABELS, strict=True)),
        ),
        ("train.txt", "\n".join(f"{n} {x}" for n, x in zip(NAMES, LABELS, strict=True))),
        ("Labels.TSV", table("\t")),
        ("x.parquet", parquet(file_name=NAMES, label=pa.array(LABELS).dictionary_encode())),
        ("x.pq", parquet(image=[{"bytes": None, "path": n} for n in NAMES], label=LABELS)),
        (
            "coco.json",
            json.dumps(
                {
                    "images": [{"id": i, "file_name": n} for i, n in enumerate(NAMES)],
                    "annotations": [
                        {"image_id": i, "category_id": "abc".index(x)} for i, x in enumerate(LABELS)
                    ],
                    "categories": [{"id": i, "name": x} for i, x in enumerate("abc")],
                }
            ),
        ),
    ],
)
def test_a_table_has_many_forms(file, text):
    assert labels(text, file) == LABELS


def test_labels_of_any_type_are_texts():
    values = [97.0, 3, True, "é", None, ["first", "second"]]
    lines = "\n".join(
        json.dumps({"file_name": n, "label": v}) for n, v in zip(NAMES, values, strict=True)
    )
    assert labels(lines, "metadata.jsonl") == ["97.0", "3", "true", "é", None, "first"]


def test_names_are_matched_by_what_they_mean():
    images = ["s/É1.jpg", "s/b c.jpg", "deep/er/x.jpg"]
    names = [unicodedata.normalize("NFD", "s\\É1.jpg"), "s/b%20c.jpg", "x.jpg"]
    text = table(names=names)
    assert labels(text, images=images) == ["a", "a", "b"]
    assert labels(table(names=["É1.jpg", "b c.jpg"]), "s/labels.csv", images) == ["a", "a", None]


def test_words_of_windows_code_pages_are_kept():
    text = "file_name,label\n0.jpg,café\n1.jpg,кошка\n"
    assert labels(text.replace("кошка", "cafe").encode("cp1252"))[:2] == ["café", "cafe"]
    assert labels(text.replace("café", "собака").encode("cp1251"))[:2] == ["собака", "кошка"]


def test_an_exact_name_goes_before_a_free_reading_of_another():
    images = ["train/1.jpg", "test/1.jpg", "test/2.jpg"]
    said = found("file,label\ntest/1.jpg,a\ntrain/2.jpg,b\n", "labels.csv", images)
    assert said.label.to_pylist() == [None, "a", None, "b"]
    assert said.missing == ["train/2.jpg"]


def test_the_user_names_the_label_column():
    text = "file_name,coarse,fine\n" + "".join(
        f"{n},{x},{i}\n" for i, (n, x) in enumerate(zip(NAMES, LABELS, strict=True))
    )
    assert labels(text, column="Fine") == [str(i) for i in range(6)]
    (warning,) = found(text, column="finest").warnings
    assert "'finest'" in warning


def test_rows_that_agree_are_one_and_rows_that_do_not_are_none():
    said = found("file_name,label\n0.jpg,a\n0.jpg,a\n1.jpg,a\n1.jpg,b\n2.jpg,\n2.jpg,c\n")
    assert said.label.to_pylist()[:3] == ["a", None, "c"]
    assert said.warnings == ["metadata.csv: 1 image has two labels, and so none, '1.jpg'"]


def test_files_that_are_named_and_absent_are_missing_with_their_labels():
    said = found("file_name,label\n0.jpg,a\nsub/gone.jpg,b\n")
    assert said.missing == ["sub/gone.jpg"] and said.label.to_pylist()[-1] == "b"


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("metadata.csv", "no,such\ncolumns,here\n", "no column names images .*got no, such"),
        ("metadata.csv", "", "it is empty"),
        ("metadata.csv", "LOCKED", "Permission denied"),
        ("labels.csv", "file_name,label\nx.png,1\n", "its one name is not"),
        ("labels.csv", b"PK\3\4\0\0\0\xff\xfe\0\0\0", "binary"),
        ("labels.parquet", b"PAR1 and no more", "cannot be read"),
        ("labels.jsonl", "{\n[1]\n", "no records"),
    ],
)
def test_a_table_that_cannot_be_used_is_a_warning_with_its_reason(file, text, reason):
    said = found(text, file)
    assert said.label.null_count == 6 and said.missing == []
    (warning,) = said.warnings
    assert warning.startswith(f"{file} gives no labels: ")
    assert re.search(reason, warning)


def test_names_that_lead_out_are_counted_and_never_followed():
    said = found("file_name\n../../etc/passwd\n/etc/passwd\nsub/../../x.jpg\n,\n0.jpg\n")
    assert said.missing == []
    assert said.warnings[0] == "metadata.csv: 1 row names no file: 'file_name' is empty there"
    assert said.warnings[1].startswith("metadata.csv: 3 names lead out of the source")


def test_texts_that_are_no_tables_and_examples_of_answers_are_passed_over():
    texts = {
        "README.txt": "Photos, and more\nof 2019",
        "notes.json": '{"a": 1}',
        "sample_submission.csv": table(),
        "prices.csv": "item,price\nx,1\n",
    }
    said = find_labels(inputs(NAMES, texts))
    assert said.label.null_count == 6
    assert said.warnings == [
        "prices.csv gives no labels: no column names images of the source, got item, price"
    ]


def test_a_table_names_the_split_of_its_images():
    texts = {"train.csv": table(names=NAMES[:3]), "val.txt": "\n".join(NAMES[3:])}
    assert find_labels(inputs(NAMES, texts)).split.to_pylist() == ["train"] * 3 + ["val"] * 3
    text = "file,label,Subset\n0.jpg,a,Train\n1.jpg,b,TEST\n"
    assert found(text).split.to_pylist()[:3] == ["train", "test", None]


def test_of_several_tables_the_nearest_counts():
    images = ["s/0.jpg", "s/1.jpg"]
    texts = {
        "labels.csv": "file,label\ns/0.jpg,far\ns/1.jpg,far\n",
        "s/metadata.csv": "file,label\n0.jpg,near\n",
    }
    assert find_labels(inputs(images, texts)).label.to_pylist() == ["near", "far"]


@given(st.text())
def test_a_name_stays_inside_or_is_refused(name):
    path = inside("a/", name)
    assert path is None or (not path.startswith(("/", "../")) and path != "..")


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1
)
ROWS = st.lists(st.tuples(st.sampled_from(NAMES), WORDS), min_size=1, unique_by=lambda row: row[0])


@settings(deadline=None, max_examples=50)
@given(ROWS)
@example([("0.jpg", "\uf900")])  # another form of a common character
def test_what_a_spreadsheet_writes_is_read_as_it_was(written):
    out = io.StringIO()
    csv.writer(out).writerows([("file_name", "label"), *written])
    said = read_table("metadata.csv", out.getvalue().encode(), Paths(pa.chunked_array([NAMES])))
    found = zip((NAMES[i] for i in said.rows), said.label.to_pylist(), strict=True)
    assert dict(found) == {name: unicodedata.normalize("NFC", word) for name, word in written}


def test_of_two_columns_of_names_that_counts_which_tells_images_apart():
    images = ["cat/1.jpg", "dog/1.jpg"]
    text = "filename,path,label\n1.jpg,cat/1.jpg,a\n1.jpg,dog/1.jpg,b\n"
    assert labels(text, images=images) == ["a", "b"]


def test_remarks_and_a_title_above_the_header_are_passed_over():
    assert labels("# made by hand\n\nPhotos; of 2019\n" + table(";")) == LABELS
    assert labels("#file_name,label\n" + table().partition("\n")[2]) == LABELS


def test_texts_and_spreadsheets_are_no_labels():
    assert labels("file_name,caption\n" + "".join(f"{n},a word\n" for n in NAMES)) == [None] * 6
    (warning,) = found(b"PK\3\4", "labels.xlsx").warnings
    assert "a spreadsheet's own format is not read; save it as CSV" in warning


def test_words_that_look_equal_are_equal():
    assert labels("file_name,label\n0.jpg,café\n1.jpg,cafe\u0301\n")[:2] == ["café", "café"]


def test_a_table_may_be_arrow():
    out = io.BytesIO()
    rows = pa.table({"image": [{"path": n} for n in NAMES], "label": LABELS})
    with pa.ipc.new_stream(out, rows.schema) as writer:
        writer.write_table(rows)
    assert labels(out.getvalue(), "data.arrow") == LABELS
