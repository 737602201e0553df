"""A new kind of place is one class with an opener, and one line in the registry."""

import io
import pickle
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from image_files import CONFIG, rows, run, to_tensor, write
from sortal.storage.workspace import Workspace
from sortal.tasks.embedding.batches import Batches, read_batches
from sortal.tasks.errors import Code
from sortal.tasks.modalities.step import texts_of_column
from sortal.tasks.places.base import File, failed, in_batches
from sortal.tasks.places.rules import Rules
from sortal.tasks.report.thumbnails import Place, thumbnails
from sortal.tasks.sources import registry
from sortal.tasks.sources.base import Address, Source
from sortal.tasks.sources.collection import Collection
from sortal.tasks.sources.local import open_folder
from sortal.tasks.sources.remote import open_remote

_SHELVES: dict[str, dict[str, bytes]] = {}


@dataclass(frozen=True)
class Shelf:
    """Files in memory, as a bucket has them: names with slashes, versions, no times."""

    location: str

    def files(self, rules: Rules, left_out: Counter[str]) -> Iterator[pa.RecordBatch]:
        for path in sorted(_SHELVES[self.location]):
            if reason := rules.reason(path):
                left_out[reason] += 1
            else:
                yield from in_batches([self.file(path)])

    def file(self, path: str) -> File:
        data = _SHELVES[self.location].get(path)
        if data is None:
            return failed(path, Code.MISSING)
        return File(path, len(data), 0, version=str(hash(data)))

    def open(self, path: str) -> BinaryIO:
        return io.BytesIO(_SHELVES[self.location][path])

    def prefetch(self, paths: Sequence[str]) -> None:
        pass


def open_shelf(address: Address) -> Collection | None:
    return Collection(Shelf(address.text)) if address.text.startswith("shelf://") else None


@pytest.fixture
def shelf(photos: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """150 real pictures of 4 kinds on a shelf, which the registry knows how to read."""
    monkeypatch.setattr(registry, "OPENERS", (open_shelf, *registry.OPENERS))
    files = sorted(photos.rglob("*.*"))
    _SHELVES["shelf://a"] = {str(f.relative_to(photos)): f.read_bytes() for f in files}
    return "shelf://a"


def test_real_pictures_in_a_new_place_are_scanned_with_the_labels_of_their_folders(
    workspace: Workspace, photos: Path, shelf: str
) -> None:
    inside, outside = (run(workspace, source) for source in (shelf, photos))
    assert inside.facts["n_classes"] == 4 and inside.facts["n_labelled"] == inside.rows > 100
    assert rows(workspace, inside) == rows(workspace, outside)
    assert run(workspace, shelf) == inside
    name = next(iter(_SHELVES[shelf]))
    _SHELVES[shelf][name] += b"\0"  # another version
    assert run(workspace, shelf).identity != inside.identity


def test_what_follows_a_scan_reads_a_new_place_too(workspace: Workspace, shelf: str) -> None:
    table = pq.read_table(run(workspace, shelf).file(workspace, "images.parquet")).slice(0, 9)
    source: Source = pickle.loads(pickle.dumps(registry.open_source(shelf)))
    [batch] = read_batches(Batches(source, table, [(0, 9)], CONFIG, to_tensor), 9, num_workers=0)
    assert batch.keys == table["key"].to_pylist() and not batch.failures
    places = [Place(row["key"], row["path"], row["offset"]) for row in table.to_pylist()]
    assert set(thumbnails(shelf, places, {}, CONFIG)) == set(batch.keys)


def test_a_new_place_has_the_metadata_of_all_others(workspace: Workspace, shelf: str) -> None:
    first = next(iter(_SHELVES[shelf]))
    lines = f"file_name,label,title\n{first},fish,a title\ngone.png,,\n"
    _SHELVES[shelf]["metadata.csv"] = lines.encode()
    found = rows(workspace, run(workspace, shelf))
    assert found[first]["label"] == "fish"
    assert found["gone.png"]["error_code"] == "missing"
    assert texts_of_column(shelf, "title")[first] == "a title"


def test_openers_leave_an_address_that_is_not_their_kind_to_the_next(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for opener in registry.OPENERS:
        if opener is not open_remote:
            assert opener(Address("s3://bucket/photos")) is None
        if opener is not open_folder:
            assert opener(Address(str(tmp_path / "empty"))) is None


def test_the_kind_of_a_folder_does_not_depend_on_what_is_left_out(tmp_path: Path) -> None:
    """Or a scan, which leaves the workspace out, and a reader would take it for two kinds."""
    write(tmp_path / "workspace/thumbnail.png")
    kinds = {
        type(registry.open_source(str(tmp_path), workspace=without))
        for without in (None, tmp_path / "workspace")
    }
    assert len(kinds) == 1
