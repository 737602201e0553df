"""Labels of a listed source: of its containers, tables and sidecars, else of its folders."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sortal.tasks.errors import ImageError
from sortal.tasks.labels.base import Inputs, Labels
from sortal.tasks.labels.chosen import chosen_tables, told_of
from sortal.tasks.labels.folders import read_folders, settled
from sortal.tasks.labels.match import Paths
from sortal.tasks.labels.merge import merged
from sortal.tasks.labels.sidecars import sidecar_labels
from sortal.tasks.labels.tables import Missing, Rated, read_table


def find_labels(inputs: Inputs) -> Labels:
    """The labels and splits of a source; what cannot be used is a warning, never an error.

    What a container says of an image goes before a table, and a table that labels images of a
    container (or loose ones) before all sidecars there. Where none of them labels any image,
    folders are classes.
    """
    paths = _whole(inputs.images["path"])
    own = _whole(inputs.images["label"])
    said = _of_tables(inputs, Paths(paths))
    beside = sidecar_labels(paths, inputs.texts, inputs.read, inputs.column)
    folders = read_folders(paths, pc.is_valid(_whole(inputs.images["offset"])))
    label = pc.coalesce(own, said.label)
    by_column = beside.by_column or label.null_count < len(label)
    if beside.label is not None:
        label = pc.coalesce(label, _outside(folders.unit, said.label, beside.label))
    by_folder = label.null_count == len(label)
    split = pc.coalesce(said.split, folders.split)
    warnings = [*said.warnings, *beside.warnings]
    if inputs.column and not by_column:
        warnings = [*warnings, _no_column(inputs.column, by_folder)]
    more = said.missing
    return Labels(
        _longer(folders.label if by_folder else label, [each[0] for each in more.values()]),
        _longer(split, [each[1] for each in more.values()]),
        np.append(folders.group, np.full(len(more), -1)) if by_folder else None,
        list(more),
        warnings,
    )


def _outside(unit: NDArray[np.int64], said: pa.Array, beside: pa.Array) -> pa.Array:
    """The labels of sidecars in units that no table labels."""
    told = np.unique(unit[pc.is_valid(said).to_numpy(zero_copy_only=False)])
    return pc.if_else(pa.array(np.isin(unit, told)), pa.scalar(None, pa.string()), beside)


def _longer(values: pa.Array, more: list[str | None]) -> pa.Array:
    return pa.concat_arrays([values, pa.array(more, pa.string())]) if more else values


def settle(labels: Labels, is_image: pa.Array) -> pa.Array:
    """The labels, once it is known which rows are images: see `settled`."""
    if labels.group is None:
        return labels.label
    return settled(labels.label, labels.group, is_image)


class _Said(NamedTuple):
    label: pa.Array
    split: pa.Array
    missing: Missing
    warnings: list[str]


def _of_tables(inputs: Inputs, paths: Paths) -> _Said:
    """What the tables say; of an image in several of them the nearest counts."""
    rated: list[Rated] = []
    unused: dict[str, str] = {}
    for name, offset, size in chosen_tables(paths.exact, inputs.texts):
        try:
            data = inputs.read(name, offset, size)
            found = read_table(name, data, paths, inputs.column)
        except ImageError as error:
            unused[name] = f"it cannot be read ({error.message})"
        except ValueError as error:
            unused[name] = str(error)
        else:
            warnings = [f"{name}: {each}" for each in found.warnings]
            rated.append(found._replace(warnings=warnings))
    count = len(paths.exact)
    return _Said(
        merged([(each.rows, each.label) for each in rated], count),
        merged([(each.rows, each.split) for each in rated], count),
        {path: said for each in reversed(rated) for path, said in each.missing.items()},
        [*(text for each in rated for text in each.warnings), *told_of(unused)],
    )


def _no_column(column: str, by_folder: bool) -> str:
    line = f"no table and no text beside an image has the label column {column!r}"
    return line if by_folder else f"{line}; labels are those of other texts beside images"


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()
