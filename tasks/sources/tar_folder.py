"""A folder of tar files as one source: shards as webdataset and img2dataset write them.

The member `12.jpg` of `00000.tar` has the path `00000.tar/12.jpg`.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sortal.configs.errors import UsageError
from sortal.tasks.sources.base import Entry, failure, leads_away, packed_names
from sortal.tasks.sources.decode import Code, ImageError
from sortal.tasks.sources.tar import TarSource

SUFFIX = ".tar"


@dataclass(frozen=True)
class TarFolder:
    """The tar files `names` of a folder; each is read as a `TarSource`."""

    location: Path  # resolved
    names: tuple[str, ...]  # relative to it

    @classmethod
    def in_folder(cls, folder: Path) -> "TarFolder | None":
        """The tar files in `folder`, to any depth; None where there are none."""
        names = packed_names(folder, SUFFIX)
        return cls(folder, tuple(names)) if names else None

    def files(self) -> list[Path]:
        """The archives."""
        return [self.location / name for name in self.names]

    def entries(self) -> Iterator[Entry]:
        """Images of every archive, in order; one that cannot be read is a failed row."""
        for name in self.names:
            try:
                for entry in self._archive(name).entries():
                    lost = entry.error_code and entry.path == Path(name).name  # the archive's end
                    yield entry._replace(path=name if lost else f"{name}/{entry.path}")
            except ImageError as error:
                yield failure(name, error.code)
            except UsageError:  # compressed, or no archive
                yield failure(name, Code.UNSUPPORTED_FORMAT, "no uncompressed tar file")

    def archives(self) -> Iterator[tuple[str, TarSource]]:
        """The archives that can be read, each with what its images' paths begin with."""
        for name in self.names:
            with suppress(ImageError, UsageError):  # such a one has a failed row in `entries`
                yield f"{name}/", self._archive(name)

    def entry(self, path: str) -> Entry:
        """Always `missing`: a member that was not listed is not looked for a second time."""
        return failure(path, Code.MISSING)

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
        if leads_away(self.location, name):
            raise ImageError(Code.OUTSIDE_ROOT)
        path = self.location / name
        return TarSource.checked(path) if checked else TarSource(path)
