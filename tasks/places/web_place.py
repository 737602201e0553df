"""Files at http:// and https:// addresses: one of them as a place, and many of a list."""

import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import BinaryIO, cast
from urllib.parse import unquote, urlsplit

from sortal.configs.remote import with_secrets
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.places.base import File
from sortal.tasks.places.fetched import Fetched, Reading, RemotePlace
from sortal.tasks.places.ranged import ranged
from sortal.tasks.places.retries import contacted
from sortal.tasks.places.web import ask, download, fetch_range

_MOST = 1 << 40  # bytes of a file that is read whole, since its server gives no parts
_IN_MEMORY = 1 << 24  # bytes; the rest of such a file lies in a nameless file
_PAGES = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True)
class WebFile(RemotePlace):
    """The file at `location`; its path is the last part of its name."""

    given: str = field(default="", compare=False, repr=False)  # with its secrets

    @classmethod
    def at(cls, location: str, reading: Reading) -> "WebFile":
        """The place of a URL without secrets."""
        return cls(location, reading, given=with_secrets(location))

    @property
    def name(self) -> str:
        """The file's own name."""
        parts = urlsplit(self.location)
        return PurePosixPath(unquote(parts.path)).name or str(parts.hostname)

    def _listed(self) -> Iterator[File]:
        yield contacted(lambda: self._asked(self.name), self.location)

    def _asked(self, path: str) -> File:
        answer = ask(self.given, self.reading.settings)
        return File(path, max(answer.bytes, 0), 0, version=answer.version or None)

    def _write(self, file: File, into: BinaryIO) -> None:
        answer = download(self.given, into, file.bytes, self.reading.settings)
        if (answer.version or None) != file.version or into.tell() != file.bytes:
            raise ImageError(Code.CHANGED)

    def _fetch(self, path: str, ahead: bool = False) -> BinaryIO:
        if self._file(path).bytes:
            return super()._fetch(path, ahead)
        return io.BytesIO() if ahead else self._whole()

    def _stream(self, file: File) -> BinaryIO:
        answer = ask(self.given, self.reading.settings)
        if not answer.takes_ranges:
            return self._whole()
        fetch = partial(fetch_range, self.given, answer, self.reading.settings)
        return ranged(fetch, file.bytes)

    def _piece(self, path: str, start: int, stop: int) -> bytes:
        with self._whole() as file:
            file.seek(start)
            return file.read(stop - start)

    def _whole(self) -> BinaryIO:
        file = _nameless()
        download(self.given, file, _MOST, self.reading.settings)
        file.seek(0)
        return file


@dataclass(frozen=True)
class WebFiles(Fetched):
    """Images at URLs, each opened by its URL without secrets.

    A URL is the name of its bytes: what was fetched once is not asked for again.
    """

    def _given(self, path: str) -> str:
        """The URL with its secrets."""
        return with_secrets(path)

    def _name(self, path: str) -> tuple[str, str]:
        return path, ""

    def _fetch(self, path: str, ahead: bool = False) -> BinaryIO:
        cache = self.reading.cache
        if cache is not None:
            with cache.adding(*self._name(path)) as kept:
                self._download(path, kept)
            self._fetched.add(path)
            found = cache.find(*self._name(path))
            if found or ahead:
                return found or io.BytesIO()
        file = _nameless()
        self._download(path, file)
        file.seek(0)
        return file

    def _download(self, path: str, into: BinaryIO) -> None:
        url, most = self._given(path), self.reading.max_bytes
        answer = download(url, into, most, self.reading.settings)
        if answer.kind in _PAGES:
            into.seek(0)
            if into.read(256).lstrip()[:1] == b"<":
                raise ImageError(Code.NOT_AN_IMAGE, f"the server gave a page ({answer.kind})")
            into.seek(0, io.SEEK_END)


def _nameless() -> BinaryIO:
    """A file in memory, and on disk without a name once it is large."""
    return cast(BinaryIO, tempfile.SpooledTemporaryFile(_IN_MEMORY))
