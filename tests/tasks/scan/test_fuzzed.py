"""A small batch of `benchmarks/fuzz.py`, in this process."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest

from image_files import to_tensor
from sortal.configs.schema import ImagesConfig
from sortal.storage.workspace import Workspace
from sortal.tasks.embedding.batches import Batches
from sortal.tasks.embedding.readable import readable_images
from sortal.tasks.errors import Code
from sortal.tasks.scan.step import scan
from sortal.tasks.sources.registry import open_source

CONFIG = ImagesConfig(num_workers=0, max_pixels=1_000_000)


@pytest.fixture(scope="module")
def fuzz() -> Iterator[ModuleType]:
    sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
    import fuzz

    yield fuzz
    sys.path.pop(0)


def examine(folder: Path, workspace: Workspace) -> tuple[list[str], set[str]]:
    """The paths of the rows, and the codes of the scan and of decoding."""
    found = scan(workspace, source=str(folder), config=CONFIG)
    file = found.file(workspace, "images.parquet")
    table, todo = pq.read_table(file), readable_images(file)
    source, rows = open_source(str(folder)), [(row, row + 1) for row in range(todo.num_rows)]
    dataset = Batches(source, todo, rows, CONFIG, to_tensor)
    codes = {failure.error_code for row in range(len(rows)) for failure in dataset[row].failures}
    return table["path"].to_pylist(), codes | {c for c in table["error_code"].to_pylist() if c}


@pytest.mark.parametrize("seed", [1, 2])
def test_mutated_files_are_rows_and_nothing_else_happens(fuzz, seed, tmp_path):
    written = fuzz.write_batch(tmp_path / "files", 0, 60, seed)
    paths, codes = examine(tmp_path / "files", Workspace(tmp_path / "w").create())
    assert fuzz.lost(written, paths) == []
    assert {"damaged", "truncated"} <= codes <= set(Code)


def test_each_sound_file_that_is_mutated_is_read(fuzz, tmp_path):
    for name, data in fuzz.seeds().items():
        (tmp_path / "files").mkdir(exist_ok=True)
        (tmp_path / "files" / name).write_bytes(data)
    paths, codes = examine(tmp_path / "files", Workspace(tmp_path / "w").create())
    assert fuzz.lost(list(fuzz.seeds()), paths) == []
    assert codes == {"unsupported_format"}  # SVG and PSD


@pytest.mark.parametrize("kind", ["nested", "links", "elsewhere", "lies", "names"])
def test_hostile_files_are_rows_and_nothing_outside_is_read(fuzz, kind, tmp_path):
    (make,) = (each for each in fuzz.hostile() if each.__name__ == kind)
    written = make(tmp_path / "files")
    paths, codes = examine(tmp_path / "files", Workspace(tmp_path / "w").create())
    assert fuzz.lost([name for name in written if name.isascii()], paths) == []
    assert codes <= set(Code)
    assert not any(path.endswith("passwd") for path in paths if path not in written)
