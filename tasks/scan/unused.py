"""What was asked for and no file of a source can use: a line each."""

from sortal.configs.checks.unused import called
from sortal.configs.schema import ImagesConfig
from sortal.tasks.places.rules import Rules
from sortal.tasks.scan.seen import plural
from sortal.tasks.sources.base import Listing, Source
from sortal.tasks.sources.urls import UrlSource

_TABLES = ("Parquet file", "Arrow file")  # as a listing counts those that were opened


def unused_of(listing: Listing, source: Source, rules: Rules, config: ImagesConfig) -> list[str]:
    """The lines for a listing that was made by `rules`."""
    lines = [_idle(kind, glob) for kind, glob in rules.idle()]
    if config.column is not None and not isinstance(source, UrlSource):
        lines += _of_column(listing, config.column)
    return lines


def _idle(kind: str, glob: str) -> str:
    what = "would else be read" if kind == "exclude" else "is left out"
    return f"{called(f'images.{kind}')} {glob} has no effect: it matches no file that {what}"


def _of_column(listing: Listing, column: str) -> list[str]:
    option = f"{called('images.column')} {column}"
    refused = listing.refusals
    n_read = sum(listing.others[kind] for kind in _TABLES)
    if not n_read and not refused:
        return [f"{option} has no effect: no file of the source is Parquet or Arrow"]
    if not refused:
        return []
    n_all = n_read + len(refused)
    if n_all == 1:
        return [f"no image is read of {refused[0]} ({option})"]
    files = f"{len(refused):,} of {n_all:,} {plural('Parquet or Arrow file', n_all)}"
    return [f"no image is read of {files}, such as {refused[0]} ({option})"]
