"""A table of URLs: which column holds them, and what each row says of its image."""

import gzip
import io
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import pyarrow as pa

from sortal.configs.errors import UsageError
from sortal.configs.remote import public_url
from sortal.tasks.errors import Code
from sortal.tasks.file_names import printable
from sortal.tasks.labels.formats.meaning import LABELS, column_called, column_for
from sortal.tasks.labels.formats.table import Table
from sortal.tasks.labels.tables import open_table

# Names of columns of URLs, the likeliest first: img2dataset, LAION, web scrapers, spreadsheets.
COLUMNS = (
    "url", "image_url", "img_url", "image_link", "link", "src", "image_src", "photo_url",
    "picture_url", "media_url", "content_url", "download_url", "original_url", "thumbnail_url",
    "href", "uri", "address", "image", "img", "photo", "picture", "file", "path",
)  # fmt: skip
ENDINGS = (".txt", ".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".pq", ".parq")
_URL = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/\s]", re.IGNORECASE)
_READ = ("http", "https")
_BROKEN = (ValueError, OSError, EOFError, zlib.error, pa.ArrowException, MemoryError)
_GZIP, _MOST = b"\x1f\x8b", 1 << 31


class Row(NamedTuple):
    """One URL of a table: as it is shown, as it is fetched, and why it cannot be."""

    path: str
    given: str
    said: str | None  # its label, or another text
    error: str | None = None


@dataclass(frozen=True)
class UrlTable:
    """The rows of a table of URLs that lies at `base`, against which relative ones are read."""

    table: Table
    column: int
    base: str

    @classmethod
    def of(cls, name: str, data: bytes, base: str, column: str | None = None) -> "UrlTable":
        """The table in a file's bytes; raises UsageError where it has no column of URLs."""
        try:
            if data.startswith(_GZIP):
                name, data = name.removesuffix(".gz"), _unpacked(data)
            table = _plain(name, data) or open_table(name, data, _count_urls)
        except _BROKEN as error:
            line = " ".join(str(error).split())[:120]
            raise UsageError(f"a table of URLs must be readable, got {name}: {line}") from None
        return cls(table, _column(name, table, column, relative="://" in base), base)

    def rows(self, label: str | None = None) -> tuple[list[Row], int]:
        """A row for each different URL, in order; and how many were listed again."""
        return self._rows(self._label(label))

    def _rows(self, number: int | None) -> tuple[list[Row], int]:
        urls, *more = self.table.read([self.column] + ([number] if number is not None else []))
        texts = more[0] if more else pa.nulls(len(urls))
        found: dict[str, Row] = {}
        seen: set[str] = set()
        pairs = zip(urls.to_pylist(), texts.to_pylist(), strict=True)
        for count, (url, said) in enumerate(pairs, 1):
            row = self._row(url or "", said or None, count)
            if row.given in seen:
                continue
            seen.add(row.given)
            path = row.path if row.path not in found else f"{row.path}#{count}"
            found[path] = row._replace(path=path)
        return list(found.values()), len(urls) - len(found)

    def texts(self, column: str) -> dict[str, str | None]:
        """Path -> text of a column; raises UsageError without it."""
        names = self.table.names or []
        number = column_called(names, column)
        if number is None:
            known = ", ".join(names) or "none with a name"
            rule = f"a table of URLs must have the column {column!r}"
            raise UsageError(f"{rule}, got {known}; name one of these")
        return {row.path: row.said for row in self._rows(number)[0]}

    def _label(self, name: str | None) -> int | None:
        names = self.table.names or []
        if name is not None:
            return column_called(names, name)
        found = column_for(names, LABELS)
        return found if found != self.column else None

    def _row(self, text: str, said: str | None, number: int) -> Row:
        text = text.strip()
        if not text:
            return Row(f"row {number}", f"row {number}", said, "no URL in this row")
        url = urljoin(self.base, text) if self.base.startswith(_READ) else text
        url = f"https:{url}" if url.startswith("//") else url
        try:
            scheme = urlsplit(url).scheme.lower()
        except ValueError:
            scheme = ""
        error = None if scheme in _READ else f"{Code.BAD_URL.meaning}, got {public_url(text)[:80]}"
        return Row(printable(public_url(url))[0], url, said, error)


def _unpacked(data: bytes) -> bytes:
    out = bytearray()
    with gzip.open(io.BytesIO(data)) as file:
        while block := file.read(1 << 20):
            out += block
            if len(out) > _MOST:
                raise ValueError(f"it unpacks to more than {_MOST:,} bytes")
    return bytes(out)


def _count_urls(texts: Iterable[str]) -> int:
    return sum(1 for text in texts if _URL.match(text))


def _plain(name: str, data: bytes) -> Table | None:
    """A text with a URL a line, which may hold commas; None where it is anything else."""
    if name.lower().endswith((".parquet", ".pq", ".parq", ".json", ".jsonl", ".ndjson")):
        return None
    try:
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        return None
    lines = [line for line in lines if line and not line.startswith("#")]
    head = lines[:200]
    if not head or _count_urls(head) < len(head) or any(" " in x or "\t" in x for x in head):
        return None
    if not name.lower().endswith(".txt") and any("," in line or ";" in line for line in head):
        return None
    if len({line.count(",") for line in head}) == 1 and "," in head[0]:
        return None  # `url,label` in each line
    return Table(None, [[line] for line in head], lambda _: [pa.array(lines, pa.string())])


def _column(name: str, table: Table, wanted: str | None, relative: bool) -> int:
    names: Sequence[str] = table.names or []
    if wanted is not None:
        found = column_called(names, wanted)
    else:
        counts = [_count_urls(table.column(n)[:50]) for n in range(table.width)]
        named = column_for(names, COLUMNS)
        with_urls = [n for n, count in enumerate(counts) if count]
        found = named if named in with_urls or (relative and named is not None) else None
        found = found if found is not None or not with_urls else counts.index(max(counts))
    if found is None:
        columns = ", ".join(names) or f"{table.width} without names"
        raise UsageError(
            f"a table of URLs must have a column of URLs, such as url, got {name} with "
            f"{columns[:200]}; name it with --column"
        )
    return found
