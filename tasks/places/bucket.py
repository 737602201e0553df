"""Buckets: the objects below a URL that fsspec reads (s3://, gs://, az://, hf://)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import PurePosixPath
from typing import Any

from sortal.configs.remote import with_secrets
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.places.base import File
from sortal.tasks.places.fetched import Reading, RemotePlace
from sortal.tasks.places.filesystems import file_of, filesystem, objects, options_of
from sortal.tasks.places.retries import (
    answered,
    contacted,
    is_down,
    retried,
    silent,
    unreadable,
)


@dataclass(frozen=True)
class Bucket(RemotePlace):
    """The objects below `location`, or the one object there. Each process opens its filesystem."""

    options: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)  # secret

    @classmethod
    def at(cls, location: str, reading: Reading) -> "Bucket":
        """The bucket at a URL without secrets; raises UsageError where no package reads it."""
        given = with_secrets(location)
        place = cls(location.rstrip("/"), reading, options=options_of(given, reading.settings))
        contacted(place._fs, location)
        return place

    def _listed(self) -> Iterator[File]:
        fs, root = self._fs(), self._root()
        found = objects(fs, root, self.reading.settings)
        first = contacted(lambda: next(found, None), self.location)
        if first is None:
            info = contacted(lambda: fs.info(root), self.location)
            if info.get("type") == "file":
                yield file_of(PurePosixPath(root).name, info)
            return
        try:
            yield from chain([first], found)
        except ImageError as error:
            raise unreadable(error, self.location) from None

    def _fs(self) -> Any:
        return filesystem(self.location, self.reading.settings, self.options)

    def _root(self) -> str:
        return str(self._fs()._strip_protocol(self.location)).rstrip("/")

    def _full(self, path: str) -> str:
        root = self._root()
        alone = path == PurePosixPath(root).name and _is_alone(self)
        return root if alone else f"{root}/{path}"

    def _asked(self, path: str) -> File:
        fs, full = self._fs(), self._full(path)
        return file_of(path, retried(lambda: fs.info(full), self.reading.settings))

    def _piece(self, path: str, start: int, stop: int) -> bytes:
        if start >= stop:
            return b""
        if is_down(self.location):
            raise silent(self.location)
        fs, full = self._fs(), self._full(path)
        try:
            data = retried(lambda: fs.cat_file(full, start=start, end=stop), self.reading.settings)
        except ImageError as error:
            answered(self.location, error.code)
            gone = error.code in (Code.MISSING, Code.HTTP_404)
            raise ImageError(Code.MISSING, "gone since it was listed") if gone else error from None
        answered(self.location, None)
        if len(data) != stop - start:
            raise ImageError(Code.CHANGED)
        return bytes(data)


@lru_cache(maxsize=8)
def _is_alone(bucket: Bucket) -> bool:
    """Whether the location is one object, and no folder that holds one of its own name."""
    root = bucket._root()
    inside = f"{root}/{PurePosixPath(root).name}"
    try:
        retried(lambda: bucket._fs().info(inside), bucket.reading.settings)
    except ImageError as error:
        if error.code in (Code.MISSING, Code.HTTP_404):
            return True
        raise
    return False
