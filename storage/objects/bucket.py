"""A bucket below a prefix: objects that are written, and checked, one by one.

An object appears whole or not at all, which is what all such stores promise for one request; what
several of them mean together is said by whoever writes the last.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sortal.configs.errors import RunError, TransientError
from sortal.storage.objects.failures import explained, tried
from sortal.storage.objects.filesystems import client_options, opened, scheme_of

AT_ONCE = 8  # requests
_TIMEOUT = 60.0  # seconds without an answer
_CHUNK = 8 << 20  # bytes of a part; s3fs sends what is smaller than two in one request
MARKER = "sortal-objects.json"
_FORMAT = {"format": 1}
_MODIFIED = ("LastModified", "last_modified", "updated", "mtime", "modified")


class Object(NamedTuple):
    """An object as it was listed: bytes, and when it was written."""

    size: int
    modified: datetime


@dataclass(frozen=True)
class Bucket:
    """The objects below `url`, by their names from there on. Each process opens its own client."""

    url: str

    def _fs(self) -> Any:
        scheme = scheme_of(self.url)
        return opened(scheme, client_options(scheme, _TIMEOUT, 2 * AT_ONCE), f"{scheme}://", "")

    def _path(self, name: str) -> str:
        return f"{str(self._fs()._strip_protocol(self.url)).rstrip('/')}/{name}"

    def require(self, write: bool) -> None:
        """Raise RunError, in one line, where the bucket is not there or lets nobody in.

        `write` tries whether objects may be written, too.
        """
        found = self.read(MARKER)
        if found is not None:
            self._check_format(found)
        if write:
            self.write(MARKER, json.dumps(_FORMAT).encode())
        elif found is None:
            fs = self._fs()
            root = self._path("").partition("/")[0]
            self._existing(lambda: fs.ls(root, detail=False))

    def _check_format(self, marker: bytes) -> None:
        try:
            number = int(json.loads(marker)["format"])
        except (ValueError, KeyError, TypeError):
            number = 0
        if number != _FORMAT["format"]:
            raise RunError(
                f"{self.url}/{MARKER} must say {json.dumps(_FORMAT)}, it does not: another version "
                "of Sortal wrote there; upgrade this one, or take another prefix"
            )

    def listed(self, prefix: str) -> dict[str, Object]:
        """Every object whose name begins with the folder `prefix`."""
        fs, base = self._fs(), self._path("")
        try:
            found = tried(lambda: fs.find(f"{base}{prefix}", detail=True), self.url)
        except FileNotFoundError:
            return {}
        return {
            str(name).removeprefix(base): Object(int(info["size"] or 0), _time(info))
            for name, info in found.items()
        }

    def read(self, name: str) -> bytes | None:
        """The bytes of a small object; None where there is none."""
        fs, path = self._fs(), self._path(name)
        try:
            return bytes(tried(lambda: fs.cat_file(path), self.url))
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Write a small object, and see that it is there as it was meant."""
        fs, path = self._fs(), self._path(name)
        self._existing(lambda: fs.pipe_file(path, data))
        if self.read(name) != data:
            raise TransientError(f"{self.url}/{name} must hold what was written, it holds other")

    def create(self, name: str, data: bytes) -> None:
        """Write a small object unless there is one, also where another does at this moment."""
        fs, path = self._fs(), self._path(name)
        with suppress(FileExistsError):
            self._existing(lambda: fs.pipe_file(path, data, mode="create"))

    def upload(self, name: str, file: Path) -> None:
        """Write an object from a file, and check it: by its MD5 where the store tells it."""
        fs, path = self._fs(), self._path(name)
        parts = {"chunksize": _CHUNK, "max_concurrency": 2} if hasattr(fs, "call_s3") else {}
        self._existing(lambda: fs.put_file(str(file), path, **parts))
        info = tried(lambda: fs.info(path, refresh=True), self.url)
        if int(info["size"]) == file.stat().st_size:
            if str(info.get("ETag", "")).strip('"') == _etag(file):
                return
            if self._same(name, file):  # a store with other tags, such as of encrypted objects
                return
        self.delete([name])
        raise TransientError(f"{self.url}/{name} must hold what was sent, it holds other bytes")

    def _existing(self, action: Callable[[], Any]) -> None:
        """Do what can only find nothing where there is no bucket."""
        try:
            tried(action, self.url)
        except FileNotFoundError as error:
            raise explained(error, self.url) from None

    def _same(self, name: str, file: Path) -> bool:
        chunks = self.chunks(name, file.stat().st_size)
        with file.open("rb") as own:
            return all(chunk == own.read(len(chunk)) for chunk in chunks)

    def chunks(self, name: str, size: int) -> Iterator[bytes]:
        """The bytes of an object of `size`, in order, some at a time; raises FileNotFoundError."""
        fs, path = self._fs(), self._path(name)
        for start in range(0, size, _CHUNK):
            stop = min(start + _CHUNK, size)
            yield tried(partial(fs.cat_file, path, start=start, end=stop), self.url)

    def download(self, name: str, file: Path) -> None:
        """Write an object's bytes to a file, unchecked; raises FileNotFoundError."""
        fs, path = self._fs(), self._path(name)
        tried(lambda: fs.get_file(path, str(file)), self.url)

    def open(self, name: str) -> Any:
        """An object as a file to seek in, of which only what is asked for is read."""
        return self._fs().open(self._path(name), "rb", cache_type="none")

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects, in order; those that are gone already are none to worry about."""
        fs = self._fs()
        for name in names:
            try:
                tried(partial(fs.rm_file, self._path(name)), self.url)
            except FileNotFoundError:
                continue


def at_once(function: Any, items: Iterable[Any]) -> list[Any]:
    """`function` of each item, several at the same time, in their order."""
    with ThreadPoolExecutor(AT_ONCE, "objects") as pool:
        return list(pool.map(function, items))


def _time(info: dict[str, Any]) -> datetime:
    found = next((info[name] for name in _MODIFIED if info.get(name)), None)
    if isinstance(found, str):
        found = datetime.fromisoformat(found.replace("Z", "+00:00"))
    if isinstance(found, datetime):
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return datetime.fromtimestamp(found, UTC) if found else datetime.now(UTC)


def _etag(file: Path) -> str:
    """S3's tag of an object that was sent as we do: its MD5, or that of its parts' MD5s."""
    size = file.stat().st_size
    with file.open("rb") as opened_file:
        if size < 2 * _CHUNK:
            return _md5(opened_file.read()).hexdigest()
        parts = [_md5(opened_file.read(_CHUNK)).digest() for _ in range(-(-size // _CHUNK))]
    return f"{_md5(b''.join(parts)).hexdigest()}-{len(parts)}"


def _md5(data: bytes) -> Any:
    return hashlib.md5(data, usedforsecurity=False)
