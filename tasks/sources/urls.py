"""A table of URLs as a source: each different URL is an input, its label a column of the table."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from sortal.configs.errors import UsageError
from sortal.configs.remote import URLS
from sortal.storage.hashing import hash_bytes
from sortal.tasks.containers.base import Columns
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.places.base import File, Place
from sortal.tasks.places.rules import Rules
from sortal.tasks.places.web_place import WebFiles
from sortal.tasks.sources.base import LISTING, Entry, Listing, failed_entry, read_all, table_of
from sortal.tasks.sources.url_table import Row, UrlTable

_TWICE = "URL that is listed before"


@dataclass(frozen=True)
class UrlSource(WebFiles):
    """The images at the URLs of the table that `place` holds alone.

    A path is its URL without user, password and signature. A URL stands for its bytes: what was
    read once is read again by a verifying scan alone.
    """

    place: Place = field(kw_only=True)
    named: str | None = None  # the column of URLs

    @property
    def vectors(self) -> Path | None:
        """None: the images are read and embedded."""
        return None

    def state(self, rules: Rules) -> str:
        """Hash of the table's bytes."""
        return hash_bytes(_table_file(self.place)[1])

    def listing(self, rules: Rules, columns: Columns) -> Listing:
        """The different URLs in the order of the table."""
        table = self._table()
        rows, again = table.rows(columns.label)
        others: Counter[str] = Counter({_TWICE: again} if again else {})
        kept = []
        for row in rows:
            reason = rules.reason(row.path) if rules.has_globs else None
            if reason:
                others[reason] += 1
            else:
                kept.append(_entry(row))
        lost = table.table.lost()
        said = (f"{self.location.removeprefix(URLS)}: {lost}",) if lost else ()
        texts = LISTING.empty_table()
        return Listing(table_of(kept), texts, others, len(rows) + again, [], said)

    def entry(self, path: str) -> Entry:
        """Always `missing`: what the table does not list is no input."""
        return failed_entry(path, Code.MISSING)

    def open(self, path: str, offset: int | None = None, size: int | None = None) -> BinaryIO:
        """A stream of the image at a URL."""
        return super().open(path)

    def read(self, path: str, offset: int | None = None, size: int | None = None) -> bytes:
        """The bytes of the image at a URL."""
        return read_all(self.open(path))

    def column(self, name: str) -> dict[str, str | None]:
        """Path -> text of a column of the table."""
        return self._table().texts(name)

    def _given(self, path: str) -> str:
        return _differing(self).get(path, path)

    def _table(self) -> UrlTable:
        name, data = _table_file(self.place)
        return UrlTable.of(name, data, self.location.removeprefix(URLS), self.named)


@lru_cache(maxsize=4)
def _differing(source: UrlSource) -> dict[str, str]:
    """Path -> URL of the rows where they differ: of URLs with secrets. Not kept in pickles."""
    return {row.path: row.given for row in source._table().rows()[0] if row.path != row.given}


def _entry(row: Row) -> Entry:
    if row.error:
        return failed_entry(row.path, Code.BAD_URL, row.error)._replace(label=row.said)
    return Entry(row.path, 0, 0, label=row.said)


def _table_file(place: Place) -> tuple[str, bytes]:
    """The name and the bytes of the one file of a place; raises UsageError."""
    batches = list(place.files(Rules(), Counter()))
    files = [File(*row) for batch in batches for row in _rows(batch)]
    if len(files) != 1:
        raise UsageError(f"a table of URLs must be one file, got the folder {place.location}")
    try:
        if files[0].error_code:
            raise ImageError(files[0].error_code, files[0].error or "")
        return files[0].path, read_all(place.open(files[0].path))
    except ImageError as error:
        raise UsageError(
            f"a table of URLs must be readable, got {place.location}: {error.message}"
        ) from None


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)
