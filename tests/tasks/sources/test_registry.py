"""A new kind of source is one class with an opener, and one line in the registry."""

import io
import pickle
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq
import pytest

from image_files import CONFIG, rows, run, to_tensor, write
from sortal.configs.errors import UsageError
from sortal.storage.workspace import Workspace
from sortal.tasks.embedding.batches import Batches, read_batches
from sortal.tasks.modalities.step import texts_of_column
from sortal.tasks.report.thumbnails import Place, thumbnails
from sortal.tasks.sources import registry
from sortal.tasks.sources.base import Address, Entry, Labels, Source, SourceBase, is_wanted
from sortal.tasks.sources.metadata import (
    common_folder,
    mark_metadata,
    metadata_column,
    metadata_labels,
    split_metadata,
)


def open_zip(address: Address) -> "ZipSource | None":
    is_zip = address.file and address.path.suffix == ".zip"
    return ZipSource(address.file) if address.file and is_zip else None


@dataclass(frozen=True)
class ZipSource(SourceBase):
    """A zip file; a member is found by its name."""

    location: Path

    def files(self) -> list[Path]:
        return [self.location]

    def entries(self) -> Iterator[Entry]:
        return mark_metadata(self._members())

    def _members(self) -> Iterator[Entry]:
        time = self.location.stat().st_mtime_ns
        with zipfile.ZipFile(self.location) as archive:
            for member in archive.infolist():
                if is_wanted(Path(member.filename).name):
                    yield Entry(member.filename, member.file_size, time, member.header_offset)

    def open(self, path: str, offset: int | None = None, size: int | None = None) -> BinaryIO:
        with zipfile.ZipFile(self.location) as archive:
            return io.BytesIO(archive.read(path))

    def labels(self, paths: Iterable[str], metadata: Sequence[Entry]) -> Labels:
        root = common_folder(paths)
        return metadata_labels(self, metadata, root) or Labels(root=root)

    def column(self, name: str) -> dict[str, str | None]:
        paths, metadata = split_metadata(self.entries())
        found = metadata_column(self, metadata, name, common_folder(paths))
        if found is None:
            raise UsageError(f"a zip must hold a metadata file for the column {name!r}")
        return found


@pytest.fixture
def zipped(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """150 real pictures of 4 kinds in one zip, which the registry knows how to read."""
    monkeypatch.setattr(registry, "OPENERS", (open_zip, *registry.OPENERS))
    with zipfile.ZipFile(tmp_path / "photos.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(photos.rglob("*.*")):
            archive.write(file, file.relative_to(photos.parent))
    return tmp_path / "photos.zip"


def test_real_pictures_in_a_new_kind_of_source_are_scanned_with_the_labels_of_their_folders(
    workspace: Workspace, photos: Path, zipped: Path
) -> None:
    inside, outside = (run(workspace, source) for source in (zipped, photos))
    assert inside.facts["n_classes"] == 4 and inside.facts["n_labelled"] == inside.rows > 100
    found = rows(workspace, inside)
    for path, row in rows(workspace, outside).items():
        other = found[f"pictures/{path}"]
        assert {**other, "path": path, "offset": None} == row
    assert run(workspace, zipped) == inside


def test_what_follows_a_scan_reads_a_new_kind_of_source_too(
    workspace: Workspace, zipped: Path
) -> None:
    table = pq.read_table(run(workspace, zipped).file(workspace, "images.parquet")).slice(0, 9)
    source: Source = pickle.loads(pickle.dumps(registry.open_source(str(zipped))))
    [batch] = read_batches(Batches(source, table, [(0, 9)], CONFIG, to_tensor), 9, num_workers=0)
    assert batch.keys == table["key"].to_pylist() and not batch.failures
    places = [Place(row["key"], row["path"], row["offset"]) for row in table.to_pylist()]
    assert set(thumbnails(str(zipped), places, {}, CONFIG)) == set(batch.keys)


def test_a_new_kind_of_source_has_the_metadata_of_all_others(
    workspace: Workspace, zipped: Path
) -> None:
    with zipfile.ZipFile(zipped) as archive:
        first = next(name for name in archive.namelist() if is_wanted(Path(name).name))
    lines = f"file_name,label,title\n{first.removeprefix('pictures/')},fish,a title\ngone.png,,\n"
    with zipfile.ZipFile(zipped, "a") as archive:
        archive.writestr("pictures/metadata.csv", lines)
    found = rows(workspace, run(workspace, zipped))
    assert found[first]["label"] == "fish"
    assert found["pictures/gone.png"]["error_code"] == "missing"
    assert texts_of_column(str(zipped), "title")[first] == "a title"


def test_every_opener_leaves_an_address_that_is_not_its_kind_to_the_next(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for opener in registry.OPENERS:
        assert opener(Address(str(tmp_path / "empty"))) is None
        assert opener(Address("s3://bucket/photos")) is None


def test_the_kind_of_a_folder_does_not_depend_on_what_is_left_out(tmp_path: Path) -> None:
    """Or a scan, which leaves the workspace out, and a reader would take it for two kinds."""
    write(tmp_path / "workspace/thumbnail.png")
    kinds = {
        type(registry.open_source(str(tmp_path), without=without))
        for without in (None, tmp_path / "workspace")
    }
    assert len(kinds) == 1
