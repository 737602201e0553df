"""Texts of images: a column of their container, of a table, or of what lies beside them."""

import pyarrow as pa
import pyarrow.compute as pc

from sortal.configs.errors import UsageError
from sortal.tasks.errors import ImageError
from sortal.tasks.labels.base import Inputs
from sortal.tasks.labels.chosen import chosen_tables
from sortal.tasks.labels.match import Paths
from sortal.tasks.labels.merge import merged
from sortal.tasks.labels.sidecars import sidecar_texts
from sortal.tasks.labels.tables import Rated, columns_in, read_table


def find_texts(inputs: Inputs, column: str, location: str) -> pa.Array:
    """A text a row of the listing, null where there is none; of several the first.

    `inputs.images` has the container's own texts as its labels. Raises UsageError, with what there
    is instead, where no image has a text.
    """
    images = inputs.images["path"].combine_chunks()
    tables, names = _of_tables(inputs, Paths(images), column)
    rated = [(each.rows, each.label) for each in tables]
    found = pc.coalesce(inputs.images["label"].combine_chunks(), merged(rated, len(images)))
    if found.null_count == len(found):
        beside = sidecar_texts(images, inputs.texts, inputs.read, column)
        found = found if beside is None else beside
    if found.null_count < len(found):
        return found
    if names:
        name, columns = next(iter(names.items()))
        raise UsageError(f"{name} must have the column {column!r} of a modality, got {columns}")
    raise UsageError(
        f"a modality of the column {column!r} needs a metadata file at the top of a source, or "
        f"beside its images texts that end in .{column} or .json with this key, got none in "
        f"{location!r}; add metadata.csv with file_name and {column}, or name another column"
    )


def _of_tables(
    inputs: Inputs, paths: Paths, column: str
) -> tuple[list[Rated], dict[str, list[str]]]:
    """What tables give, and the columns of those that lack this one."""
    rated: list[Rated] = []
    lacking: dict[str, list[str]] = {}
    for name, offset, size in chosen_tables(paths.exact, inputs.texts):
        try:
            data = inputs.read(name, offset, size)
            found = read_table(name, data, paths, column, first=True)
        except (ImageError, ValueError):  # a warning of the scan says so
            continue
        if found.label.null_count < len(found.label):
            rated.append(found)
        else:
            lacking[name] = columns_in(name, data, paths)
    return rated, lacking
