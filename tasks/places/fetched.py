"""What places over a network share: files are fetched once into the cache, several at a time."""

import io
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from sortal.configs.remote import RemoteConfig
from sortal.storage.hashing import hash_text
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.places.base import File, failed, in_batches
from sortal.tasks.places.cache import Cache
from sortal.tasks.places.ranged import ranged
from sortal.tasks.places.remembered import Remembered
from sortal.tasks.places.rules import Rules

_PIECE = 1 << 24  # bytes of one request; a larger file is fetched in several
_WHOLE = 1 << 23  # bytes of a file that is fetched whole, even where it is not kept


@dataclass(frozen=True)
class Reading:
    """How files are fetched. `home` is the workspace's folder for them; without one none is kept.

    `fresh`: what was kept before does not count, as for a verifying scan.
    """

    settings: RemoteConfig
    home: Path | None = None
    max_bytes: int = 512_000_000  # of an image
    fresh: bool = False

    @property
    def cache(self) -> Cache | None:
        """The cache, or None where nothing is kept."""
        if self.home is None or not self.settings.cache_bytes:
            return None
        return Cache(self.home / "files", self.settings.cache_bytes)


@dataclass(frozen=True)
class Fetched:
    """Opens files from the cache, else over the network. Subclasses say how they are fetched.

    What a pickle leaves behind: which files were fetched, and which failed, in this process.
    """

    location: str  # a URL without secrets
    reading: Reading
    _failed: dict[str, ImageError] = field(default_factory=dict, compare=False, repr=False)
    _fetched: set[str] = field(default_factory=set, compare=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_failed": {}, "_fetched": set()}

    def open(self, path: str) -> BinaryIO:
        """A seekable stream of a file's bytes, from the cache where they are; raises ImageError."""
        failed = self._failed.pop(path, None)
        if failed:
            raise failed
        return self._kept(path) or self._fetch(path)

    def prefetch(self, paths: Sequence[str]) -> None:
        """Bring these files into the cache, several at a time; `open` says what went wrong."""
        lanes = min(self.reading.settings.concurrency, len(paths))
        if self.reading.cache is not None and lanes > 1:
            _in_lanes(self._prefetch, paths, lanes)

    def _prefetch(self, path: str) -> None:
        try:
            with self._kept(path) or self._fetch(path, ahead=True):
                pass
        except ImageError as error:
            self._failed[path] = error

    def _kept(self, path: str) -> BinaryIO | None:
        cache = self.reading.cache
        if cache is None or (self.reading.fresh and path not in self._fetched):
            return None
        return cache.find(*self._name(path))

    def _name(self, path: str) -> tuple[str, str]:
        """The address and the version by which a file is kept."""
        raise NotImplementedError

    def _fetch(self, path: str, ahead: bool = False) -> BinaryIO:
        """A stream of a file that is not kept yet, and is afterwards if it fits.

        `ahead`: it is read later, so that one that does not fit is left alone: an empty stream.
        """
        raise NotImplementedError


class RemotePlace(Fetched):
    """A place that lists files with a size and a version, and fetches them by pieces."""

    def files(self, rules: Rules, left_out: Counter[str]) -> Iterator[pa.RecordBatch]:
        """Every file that `rules` do not leave out, in order of names (columns: FILES).

        Raises UsageError where there is none, RunError where the server cannot be asked.
        """
        found = self._listed()
        found = self._remembered.kept(found) if self._remembered else found
        yield from in_batches(_wanted(found, rules, left_out))

    def _listed(self) -> Iterator[File]:
        """Every file, streamed."""
        raise NotImplementedError

    def file(self, path: str) -> File:
        """The file as it was listed, else as it is now; a failed one where there is none."""
        try:
            return _checked(self._file(path))
        except ImageError as error:
            return failed(path, error.code, error.message)

    def _asked(self, path: str) -> File:
        """The file as the server knows it now; raises ImageError."""
        raise NotImplementedError

    def _piece(self, path: str, start: int, stop: int) -> bytes:
        """The bytes [start, stop), all of them; raises ImageError."""
        raise NotImplementedError

    @property
    def _remembered(self) -> Remembered | None:
        home = self.reading.home
        return Remembered(home / f"{hash_text(self.location)}.arrow") if home else None

    def _file(self, path: str) -> File:
        """A file as it was listed; without a listing, as it is. Raises ImageError for none."""
        if not self._remembered or not self._remembered.is_there:
            return self._asked(path)
        known = self._remembered.find(path)
        if known is None:
            raise ImageError(Code.MISSING)
        return known

    def _name(self, path: str) -> tuple[str, str]:
        file = self._file(path)
        return f"{self.location}/{path}", f"{file.version} {file.bytes} {file.mtime_ns}"

    def _fetch(self, path: str, ahead: bool = False) -> BinaryIO:
        file, cache = self._file(path), self.reading.cache
        if cache is not None and cache.holds(file.bytes):
            with cache.adding(*self._name(path)) as kept:
                self._write(file, kept)
            self._fetched.add(path)
            return cache.find(*self._name(path)) or self._stream(file)
        if ahead:
            return io.BytesIO()
        if file.bytes <= _WHOLE:
            return io.BytesIO(self._piece(path, 0, file.bytes))
        self._check(file)
        return self._stream(file)

    def _write(self, file: File, into: BinaryIO) -> None:
        """Write a file's bytes, all of one version."""
        for start in range(0, file.bytes, _PIECE):
            into.write(self._piece(file.path, start, min(start + _PIECE, file.bytes)))
        if file.bytes > _PIECE:
            self._check(file)

    def _stream(self, file: File) -> BinaryIO:
        return ranged(partial(self._piece, file.path), file.bytes)

    def _check(self, file: File) -> None:
        """Raises ImageError where the file is another than was listed."""
        now = self._asked(file.path)
        if (now.bytes, now.mtime_ns, now.version) != (file.bytes, file.mtime_ns, file.version):
            raise ImageError(Code.CHANGED)


def _wanted(files: Iterator[File], rules: Rules, left_out: Counter[str]) -> Iterator[File]:
    for file in files:
        reason = rules.reason(file.path)
        if reason:
            left_out[reason] += 1
        else:
            yield _checked(file)


def _checked(file: File) -> File:
    if ".." in file.path.split("/"):
        return file._replace(error_code=Code.OUTSIDE_ROOT.value, error=Code.OUTSIDE_ROOT.meaning)
    return file


def _in_lanes(action: Callable[[str], None], items: Sequence[str], lanes: int) -> None:
    """Call `action` with each item, `lanes` at a time; raises the first error there is.

    Threads that die with the process: a pool's would be waited for after Ctrl-C.
    """
    rest, errors = deque(items), list[BaseException]()

    def work() -> None:
        while not errors:
            try:
                item = rest.popleft()
            except IndexError:
                return
            try:
                action(item)
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=work, daemon=True, name="fetch") for _ in range(lanes)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except BaseException:
        rest.clear()
        raise
    if errors:
        raise errors[0]
