"""Sources over a network: buckets, single files at web addresses, tables of URLs."""

from dataclasses import replace
from functools import lru_cache

import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.errors import UsageError, expanded
from sortal.configs.remote import URLS, RemoteConfig
from sortal.storage.objects.filesystems import scheme_of
from sortal.tasks.containers.registry import kind_by_name
from sortal.tasks.errors import ImageError
from sortal.tasks.labels.formats.meaning import column_for
from sortal.tasks.places.base import Place
from sortal.tasks.places.bucket import Bucket
from sortal.tasks.places.fetched import Reading
from sortal.tasks.places.local import LocalFile
from sortal.tasks.places.web_place import WebFile
from sortal.tasks.sources.base import Address, Source, is_image
from sortal.tasks.sources.collection import Collection
from sortal.tasks.sources.url_table import COLUMNS, ENDINGS
from sortal.tasks.sources.urls import UrlSource

_WEB = ("http", "https")
_readings: dict[str, Reading] = {}
_COLUMNAR = (".parquet", ".parq", ".pq")


def open_remote(address: Address) -> Source | None:
    """What is at a URL, or at those that a table lists; None for a local path.

    Raises UsageError for an address that nothing reads.
    """
    if address.text.startswith(URLS):
        return _open_urls(address, address.text[len(URLS) :])
    if not address.is_remote:
        return None
    place = _place(address.text, _reading(address))
    name = _name(place)
    if name.endswith(tuple(e for e in ENDINGS if e not in _COLUMNAR)) or _lists_urls(place, name):
        return _urls(address, _place(address.text, _kept_nowhere(place.reading)))
    alone = isinstance(place, WebFile) or is_image(name) or kind_by_name(name) is not None
    return Collection(place, alone=alone and not address.text.endswith("/"))


def _open_urls(address: Address, where: str) -> UrlSource:
    if "://" in where:
        return _urls(address, _place(where, _kept_nowhere(_reading(address))))
    path = expanded(where)
    if not path.is_file():
        what = "which is a folder" if path.is_dir() else "where nothing is"
        raise UsageError(f"urls: must be followed by a table of URLs, got {where!r}, {what}")
    return _urls(address, LocalFile(path.resolve(), path.name))


def _urls(address: Address, place: Place) -> UrlSource:
    column = address.config.column if address.config else None
    return UrlSource(URLS + place.location, _reading(address), place=place, named=column)


def _kept_nowhere(reading: Reading) -> Reading:
    """For tables of URLs: what is secret in them must not lie in a workspace."""
    return replace(reading, home=None)


def _reading(address: Address) -> Reading:
    """How files are fetched: as `address` says, else as it said last in this process."""
    config = address.config
    if config is None:
        return _readings.get(address.text, Reading(RemoteConfig()))
    home = address.without / "remote" if address.without else None
    found = Reading(config.remote, home, config.max_bytes)
    _readings[address.text] = found
    return replace(found, fresh=config.verify)


def _place(url: str, reading: Reading) -> Bucket | WebFile:
    return WebFile.at(url, reading) if scheme_of(url) in _WEB else Bucket.at(url, reading)


def _name(place: Place) -> str:
    """The last part of a URL in small letters, without the ending of a packed table."""
    name = place.name if isinstance(place, WebFile) else place.location.rpartition("/")[2]
    return name.lower().removesuffix(".gz")


@lru_cache(maxsize=32)
def _lists_urls(place: Bucket | WebFile, name: str) -> bool:
    """Whether a Parquet file holds URLs, and no bytes of images."""
    if not name.endswith(_COLUMNAR):
        return False
    try:
        with place.open(place.location.rpartition("/")[2]) as file:
            schema = pq.read_schema(file)
    except (ImageError, OSError, ValueError, pa.ArrowException):
        return False  # what is wrong is said when it is listed
    texts = [
        f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)
    ]
    has_bytes = any(_may_hold_bytes(field.type) for field in schema)
    return not has_bytes and column_for(texts, COLUMNS[:16]) is not None


def _may_hold_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return any(_may_hold_bytes(kind.field(i).type) for i in range(kind.num_fields))
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
