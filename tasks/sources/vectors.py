"""A folder of ready-made vectors as a source; its images may be absent."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from sortal.tasks.encoders.vectors import column_of
from sortal.tasks.sources.base import Address, Entry
from sortal.tasks.sources.folder import FolderSource


def vector_files(folder: Path) -> list[Path]:
    """The Parquet files of ready-made image vectors in `folder` (see the encoder `vectors:`)."""
    found = sorted(folder.glob("*images*.parquet"))
    return [path for path in found if _has_vectors(path)]


def _has_vectors(path: Path) -> bool:
    try:
        return "vector" in pq.read_schema(path).names
    except (OSError, ValueError):
        return False


def open_vectors_folder(address: Address) -> "VectorsSource | None":
    """A folder that holds vectors of images."""
    folder = address.folder
    return VectorsSource(folder, address.without) if folder and vector_files(folder) else None


@dataclass(frozen=True)
class VectorsSource(FolderSource):
    """A folder of ready-made vectors; its rows come from Parquet, its images may be absent."""

    @property
    def vectors(self) -> Path | None:
        """The folder."""
        return self.root

    def files(self) -> list[Path]:
        """The Parquet files."""
        return vector_files(self.root)

    def entries(self) -> Iterator[Entry]:
        """The Parquet files themselves."""
        for path in self.files():
            info = path.stat()
            yield Entry(path.name, info.st_size, info.st_mtime_ns, mode=info.st_mode)

    def column(self, name: str) -> dict[str, str | None]:
        """Key -> text of a further column of the image files."""
        return column_of(self.root, name)
