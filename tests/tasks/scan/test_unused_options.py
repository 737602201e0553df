"""Options that no file of a source can use are told of in a line."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drawn import draw
from sortal.configs.schema import ImagesConfig
from sortal.storage.workspace import Workspace
from sortal.tasks.scan.step import scan
from sortal.tasks.sources.registry import open_source


@pytest.fixture
def photos(tmp_path):
    draw(tmp_path / "photos", 0, 3)
    return tmp_path / "photos"


def warnings(photos, **options):
    inputs = {"source": str(photos), "config": ImagesConfig(num_workers=0, **options)}
    found = scan(Workspace(photos.parent / "workspace").create(), **inputs)
    return found.facts.get("warnings", [])


def add_table(photos, name, column):
    data = next(photos.glob("*.*")).read_bytes()
    pq.write_table(pa.table({column: pa.array([data], pa.binary())}), photos / name)


def test_a_column_where_there_is_no_table(photos):
    said = ["--column x has no effect: no file of the source is Parquet or Arrow"]
    assert warnings(photos, column="x") == said


def test_a_column_that_tables_lack(photos):
    add_table(photos, "a.parquet", "image")
    *_, said = warnings(photos, column="x")
    assert said.startswith("no image is read of a.parquet: no column 'x' holds bytes, got image")
    add_table(photos, "b.parquet", "x")
    *_, said = warnings(photos, column="x")
    assert said.startswith("no image is read of 1 of 2 Parquet or Arrow files, such as a.parquet:")
    (photos / "a.parquet").unlink()
    assert warnings(photos, column="x") == []


def test_globs_that_decide_about_no_file(photos):
    (photos / ".hidden").mkdir()
    draw(photos / ".hidden", 3, 4)
    name = next(path.name for path in photos.iterdir() if path.is_file())
    assert warnings(photos, exclude=(name,), include=(".hidden",)) == []
    assert warnings(photos, exclude=(name, "drafts", ".hidden"), include=("*.psd",)) == [
        "--exclude drafts has no effect: it matches no file that would else be read",
        "--exclude .hidden has no effect: it matches no file that would else be read",
        "--include *.psd has no effect: it matches no file that is left out",
    ]


def test_a_table_of_urls_tells_of_its_short_rows(tmp_path):
    table = tmp_path / "list.csv"
    table.write_text("label,url\na,http://127.0.0.1:9/0.jpg\nb\nc,http://127.0.0.1:9/1.jpg\n")
    from sortal.tasks.scan.listing import list_source

    config = ImagesConfig(column="url")
    source = open_source(f"urls:{table}", tmp_path / "workspace", config)
    (said,) = list_source(source, config).warnings
    assert said.endswith(
        "1 row has too few fields and is not read, line 3, 'b'; give each row its 2 fields"
    )
