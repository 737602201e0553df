"""The data files of a lake in a bucket: how DuckDB reads and writes them, and what lies there.

DuckLake takes no `s3://` without DuckDB's extension httpfs, which no Python package brings. Under a
scheme of our own the same files are read and written by fsspec's filesystem.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sortal.configs.errors import UsageError
from sortal.storage.objects.bucket import Bucket

_S3 = "s3://"
_OURS = "sortal-s3://"


@dataclass(frozen=True)
class BucketFolder:
    """The data folder of a lake below a URL."""

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def _bucket(self) -> Bucket:
        return Bucket(self.url.rstrip("/"))

    def read(self, name: str) -> str | None:
        """The text of a small file, None where there is none."""
        found = self._bucket.read(name)
        return None if found is None else found.decode("utf-8", "replace")

    def create(self, name: str, text: str) -> None:
        """Write a small file, unless there is one."""
        self._bucket.create(name, text.encode())

    def sizes(self) -> dict[str, int]:
        """The files, by their paths from here on, with their bytes."""
        return {name: each.size for name, each in self._bucket.listed("").items()}


def folder_at(place: str | Path) -> Path | BucketFolder:
    """A lake's data folder, as the catalogue or the environment names it."""
    text = str(place)
    if text.startswith(_OURS):
        return BucketFolder(text.replace(_OURS, _S3, 1))
    return BucketFolder(text) if text.startswith(_S3) else Path(place)


def as_duckdb_has_it(place: str) -> str:
    """A path that DuckLake takes: a URL under our own scheme, and a folder as it is."""
    return place.replace(_S3, _OURS, 1) if place.startswith(_S3) else place


def register(connection: Any, place: str) -> None:
    """Have a connection of DuckDB read and write `place`, where it is below a URL of ours."""
    if place.startswith(_OURS) and "sortal-s3" not in connection.list_filesystems():
        connection.register_filesystem(_filesystem(os.getpid()))


@lru_cache(maxsize=1)
def _filesystem(_process: int) -> Any:
    """One a process; it tries again by itself, since DuckDB does not."""
    try:
        from s3fs import S3FileSystem
    except ImportError:
        raise UsageError(
            "a lake's data files in s3:// need a package that is not installed; "
            'pip install "sortal[s3]"'
        ) from None

    class LakeFiles(S3FileSystem):  # type: ignore[misc]
        protocol = ("sortal-s3",)

        def glob(self, path: str, **options: Any) -> Any:
            """Files alone: DuckLake would ask how old a folder is, of which S3 knows nothing."""
            found = super().glob(path, **{**options, "detail": True})
            files = {name: info for name, info in found.items() if info["type"] == "file"}
            return files if options.get("detail") else list(files)

    return LakeFiles(use_listings_cache=False, skip_instance_cache=True)
