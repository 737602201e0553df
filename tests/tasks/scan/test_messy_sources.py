"""What a scan finds in sources as people have them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from messy import CASES
from sortal.configs.schema import ImagesConfig
from sortal.storage.workspace import Workspace
from sortal.tasks.scan.step import scan_table
from sortal.tasks.sources.registry import open_source


def scanned(name: str, folder: Path) -> pa.Table:
    write, expected = CASES[name]
    write(folder / "source")
    place = folder / "source" / expected.source
    workspace = Workspace(folder / "workspace").create()
    return scan_table(open_source(str(place), workspace.root), ImagesConfig(), workspace)[0]


@pytest.mark.parametrize("name", CASES)
def test_every_image_is_found_and_its_label_with_it(name: str, tmp_path: Path) -> None:
    expected = CASES[name][1]
    table = scanned(name, tmp_path)
    good = table.filter(pc.equal(table["status"], "ok"))
    labels = set(good["label"].drop_null().to_pylist())
    assert good.num_rows == expected.images
    assert table.num_rows - good.num_rows == expected.failed
    assert labels == (expected.labels or set())


def test_width_and_height_are_those_of_the_upright_picture(tmp_path: Path) -> None:
    table = scanned("turned pictures", tmp_path)
    assert set(zip(table["width"].to_pylist(), table["height"].to_pylist(), strict=True)) == {
        (160, 120)
    }
