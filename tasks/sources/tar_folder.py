"""A folder of tar files as one source: shards as webdataset and img2dataset write them.

The member `12.jpg` of `00000.tar` has the path `00000.tar/12.jpg`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sortal.configs.errors import UsageError
from sortal.tasks.sources.base import (
    Address,
    Entry,
    Labels,
    SourceBase,
    failed_entry,
    files_with_suffix,
    links_outside,
)
from sortal.tasks.sources.errors import Code, ImageError
from sortal.tasks.sources.sidecars import sidecar_column, sidecar_labels
from sortal.tasks.sources.tar import TarSource

SUFFIX = ".tar"


def open_tar_folder(address: Address) -> "TarFolder | None":
    """A folder that holds tar files, to any depth."""
    folder = address.folder
    names = files_with_suffix(folder, SUFFIX) if folder else []
    return TarFolder(folder, tuple(names)) if folder and names else None


@dataclass(frozen=True)
class TarFolder(SourceBase):
    """The tar files `names` of a folder; each is read as a `TarSource`."""

    location: Path  # resolved
    names: tuple[str, ...]  # relative to it

    def files(self) -> list[Path]:
        """The archives."""
        return [self.location / name for name in self.names]

    def entries(self) -> Iterator[Entry]:
        """Images of every archive, in order; one that cannot be read is a failed row."""
        for name in self.names:
            try:
                for entry in self._archive(name).entries():
                    is_archive = entry.error_code and entry.path == Path(name).name  # its lost end
                    yield entry._replace(path=name if is_archive else f"{name}/{entry.path}")
            except ImageError as error:
                yield failed_entry(name, error.code)
            except UsageError:  # compressed, or no archive
                yield failed_entry(name, Code.UNSUPPORTED_FORMAT, "no uncompressed tar file")

    def archives(self) -> Iterator[tuple[str, TarSource]]:
        """The archives that can be read, each with what its images' paths begin with."""
        for name in self.names:
            with suppress(ImageError, UsageError):  # such a one has a failed row in `entries`
                yield f"{name}/", self._archive(name)

    def labels(self, paths: Iterable[str], metadata: Sequence[Entry]) -> Labels:
        """Those of sidecars: folders in an archive are no classes, and its metadata is ignored."""
        return Labels(sidecar_labels(self.archives()))

    def column(self, name: str) -> dict[str, str | None]:
        """Path -> text of sidecars."""
        return sidecar_column(self.archives(), name, self.location)

    def open(self, path: str, offset: int | None = None, size: int | None = None) -> BinaryIO:
        """A stream of `size` bytes at `offset` of the archive that `path` begins with."""
        return self._archive(self._name(path), checked=False).open(path, offset, size)

    def read(self, path: str, offset: int | None = None, size: int | None = None) -> bytes:
        """The bytes of the member at `offset`; raises ImageError."""
        return self._archive(self._name(path), checked=False).read(path, offset, size)

    def _name(self, path: str) -> str:
        """The archive that `path` begins with: folders may end in `.tar` too."""
        parts = path.split(SUFFIX + "/")
        heads = ((SUFFIX + "/").join(parts[:n]) + SUFFIX for n in range(1, len(parts)))
        found = next((head for head in heads if (self.location / head).is_file()), None)
        if found is None:
            raise ImageError(Code.MISSING, "its archive is gone since it was listed")
        return found

    def _archive(self, name: str, checked: bool = True) -> TarSource:
        if links_outside(self.location, name):
            raise ImageError(Code.OUTSIDE_ROOT)
        path = self.location / name
        return TarSource.checked(path) if checked else TarSource(path)
