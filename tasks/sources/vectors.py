"""A folder of ready-made vectors as a source; its images may be absent."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq

from sortal.storage.hashing import fingerprint
from sortal.tasks.containers.base import Columns
from sortal.tasks.encoders.vector_files import files_of
from sortal.tasks.encoders.vectors import column_of
from sortal.tasks.errors import Code
from sortal.tasks.places.local import LocalFolder
from sortal.tasks.places.rules import Rules
from sortal.tasks.sources.base import Address, Entry, Listing, failed_entry, read_all


def vector_files(folder: Path) -> list[Path]:
    """The Parquet files of ready-made image vectors in `folder` (see the encoder `vectors:`)."""
    return [path for path in files_of(folder, "images") if _has_vectors(path)]


def _has_vectors(path: Path) -> bool:
    try:
        return "vector" in pq.read_schema(path).names
    except (OSError, ValueError):
        return False


def open_vectors_folder(address: Address) -> "VectorsSource | None":
    """A folder that holds vectors of images."""
    folder = address.folder
    return VectorsSource(folder) if folder and vector_files(folder) else None


@dataclass(frozen=True)
class VectorsSource:
    """A folder of ready-made vectors; its rows come from Parquet, its images may be absent."""

    root: Path  # resolved

    @property
    def location(self) -> str:
        """The folder."""
        return str(self.root)

    @property
    def vectors(self) -> Path | None:
        """The folder."""
        return self.root

    def state(self, rules: Rules) -> str:
        """The Parquet files' sizes and times."""
        infos = [(path, path.stat()) for path in vector_files(self.root)]
        return fingerprint([[str(p), i.st_size, i.st_mtime_ns] for p, i in infos])

    def listing(self, rules: Rules, columns: Columns) -> Listing:
        """Never asked for: the rows are those of the vectors."""
        raise NotImplementedError

    def entry(self, path: str) -> Entry:
        """Always `missing`."""
        return failed_entry(path, Code.MISSING)

    def open(self, path: str, offset: int | None = None, size: int | None = None) -> BinaryIO:
        """A stream of an image that lies in the folder."""
        return LocalFolder(self.root).open(path)

    def read(self, path: str, offset: int | None = None, size: int | None = None) -> bytes:
        """The bytes of an image that lies in the folder."""
        return read_all(self.open(path))

    def prefetch(self, paths: Sequence[str]) -> None:
        """Nothing."""

    def column(self, name: str) -> dict[str, str | None]:
        """Key -> text of a further column of the image files."""
        return column_of(self.root, name)
