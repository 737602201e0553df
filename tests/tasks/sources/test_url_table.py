import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sortal.configs.errors import UsageError
from sortal.tasks.sources.url_table import UrlTable

A, B = "https://a.example/1.jpg", "http://b.example/2.png?size=3"


def rows(name, data, base="list", column=None, label=None):
    data = data.encode() if isinstance(data, str) else data
    found, again = UrlTable.of(name, data, base, column).rows(label)
    return [(row.path, row.said) for row in found], again


def parquet(**columns):
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("l.txt", f"{A}\n{B}\n"),
        ("l.txt", f"\ufeff{A}\r\n\r\n# a comment\r\n{B}"),
        ("l.csv", f"url\n{A}\n{B}\n"),
        ("l.csv", f"id,Image URL,n\n1,{A},x\n2,{B},y\n"),
        ("l.csv", f"{A}\n{B}\n"),
        ("l.csv", f'key;img_url\n1;"{A}"\n2;"{B}"\n'),
        ("l.tsv", f"caption\turl\na, b\t{A}\nc\t{B}\n"),
        ("l.csv", f"width,odd name\n3,{A}\n4,{B}\n"),
        ("l.csv", f"url,x\n{A},1\n{B},2\n".encode("utf-16")),
        ("l.jsonl", f'{{"url": "{A}"}}\n{{"url": "{B}"}}\n'),
        ("l.json", f'[{{"image_url": "{A}"}}, {{"image_url": "{B}"}}]'),
        ("l.parquet", parquet(URL=[A, B], TEXT=["x", "y"])),
        ("l.csv.gz", gzip.compress(f"url\n{A}\n{B}\n".encode(), mtime=0)),
    ],
)
def test_urls_are_found_in_every_kind_of_table(name, data):
    assert rows(name, data) == ([(A, None), (B, None)], 0)


def test_urls_with_commas_stay_whole_in_a_text():
    urls = ["https://h/a,b.jpg", "https://h/c.jpg", "https://h/d;e,f,g.jpg"]
    assert [path for path, _ in rows("l.txt", "\n".join(urls))[0]] == urls


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("l.csv", f"url,label\n{A},cat\n{B},dog\n"),
        ("l.csv", f"Category,Link\ncat,{A}\ndog,{B}\n"),
        ("l.parquet", parquet(url=[A, B], label=["cat", "dog"])),
    ],
)
def test_labels_are_those_of_the_table(name, data):
    assert rows(name, data)[0] == [(A, "cat"), (B, "dog")]


def test_a_named_column_decides():
    data = f"a,b,first,second\n{A},{B},cat,dog\n"
    assert rows("l.csv", data, column="b", label="second")[0] == [(B, "dog")]


def test_a_url_that_is_listed_twice_is_one_image():
    assert rows("l.txt", f"{A}\n{B}\n{A}\n{A}\n") == ([(A, None), (B, None)], 2)


def test_addresses_that_differ_in_secrets_alone_stay_apart():
    urls = [f"https://h/image?token={i}" for i in range(3)]
    found, again = rows("l.txt", "\n".join(urls))
    assert [path for path, _ in found] == [
        "https://h/image",
        "https://h/image#2",
        "https://h/image#3",
    ]
    assert again == 0
    given = [row.given for row in UrlTable.of("l.txt", "\n".join(urls).encode(), "x").rows()[0]]
    assert given == urls


def test_relative_addresses_are_those_of_the_table():
    data = "url\npics/1.jpg\n/top.jpg\n../up.jpg\n//other/x.jpg\n"
    assert [path for path, _ in rows("l.csv", data, "https://h/a/b/l.csv?x=1")[0]] == [
        "https://h/a/b/pics/1.jpg", "https://h/top.jpg", "https://h/a/up.jpg", "https://other/x.jpg",
    ]  # fmt: skip


def test_what_is_no_web_address_is_a_failed_row():
    data = f"url,n\n{A},1\n/etc/passwd,2\n,3\nfile:///etc/passwd,4\npics/1.jpg,5\nhttp://[::1,6\n"
    found = UrlTable.of("l.csv", data.encode(), "/home/me/l.csv").rows()[0]
    assert [bool(row.error) for row in found] == [False, True, True, True, True, True]
    assert found[2].path == "row 3" and found[2].error == "no URL in this row"


def test_a_table_without_urls_is_refused_with_its_columns():
    for name, data in (("l.csv", b"a,b\n1,2\n"), ("l.parquet", parquet(a=[1], b=[2]))):
        with pytest.raises(
            UsageError, match=rf"a column of URLs, such as url, got {name} with a, b"
        ):
            UrlTable.of(name, data, "x")


@pytest.mark.parametrize(
    ("name", "data"),
    [("l.parquet", b"PAR1 nonsense"), ("l.csv", b""), ("l.json", b"\0\1\2"),
     ("l.csv.gz", b"\x1f\x8bx")],
)  # fmt: skip
def test_a_damaged_table_is_one_line(name, data):
    with pytest.raises(UsageError, match=r"a table of URLs must "):
        UrlTable.of(name, data, "x")


def test_texts_of_another_column_are_by_path():
    data = f"url,caption\n{A},one\n{B},\n"
    table = UrlTable.of("l.csv", data.encode(), "x")
    assert table.texts("Caption") == {A: "one", B: None}
    with pytest.raises(UsageError, match="must have the column 'nope', got url, caption"):
        table.texts("nope")
