"""The listing of a source with its labels, before any image is read."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from sortal.configs.errors import UsageError
from sortal.configs.schema import ImagesConfig
from sortal.tasks.containers.base import Columns
from sortal.tasks.errors import Code
from sortal.tasks.labels.base import Inputs, Labels
from sortal.tasks.labels.find import find_labels
from sortal.tasks.places.rules import Rules
from sortal.tasks.scan.seen import described, is_left_out
from sortal.tasks.scan.unused import unused_of
from sortal.tasks.sources.base import Listing, Source, table_of


def rules_of(config: ImagesConfig) -> Rules:
    """What is left out of a source."""
    return Rules(config.exclude, config.include)


def list_source(source: Source, config: ImagesConfig) -> Listing:
    """List `source`, with warnings of what it does not use; raises UsageError without an image."""
    rules = rules_of(config)
    listing = source.listing(rules, Columns(config.column, config.label_column))
    if not listing.rows.num_rows:
        raise UsageError(_nothing_in(source.location, listing))
    outside = pc.equal(listing.rows["error_code"], Code.OUTSIDE_ROOT.value)
    if pc.all(pc.fill_null(outside, False)).as_py():
        raise UsageError(
            "a source is not read through links that lead out of it, got "
            f"{listing.rows['path'][0].as_py()} in {source.location}; copy the files, or give one "
            "of them by its own name"
        )
    warnings = (*listing.warnings, *unused_of(listing, source, rules, config))
    return replace(listing, warnings=warnings)


def _nothing_in(location: str, listing: Listing) -> str:
    rule = f"a source must hold images, got none in {location!r}"
    if listing.refusals:
        way_out = "name a column with --column, or give vectors by their folder"
        return f"{rule}; {listing.refusals[0]}; {way_out}"
    way_out = "give a folder or archive with .jpg, .png, .webp, ... files"
    if any(is_left_out(kind) for kind in listing.others):
        way_out = "--include GLOB reads what is left out"
    return f"{rule}{' but ' if listing.n_files else ''}{described(listing.others)}; {way_out}"


def labelled(
    listing: Listing, source: Source, column: str | None = None
) -> tuple[pa.Table, Labels]:
    """The rows with what tables name beyond the listing, and the labels of all of them."""
    labels = find_labels(Inputs(listing.rows, listing.texts, source.read, column))
    added = table_of(source.entry(path) for path in labels.missing)
    return pa.concat_tables([listing.rows, added]), labels
