"""Arrow values of any type as label texts."""

import json
import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sortal.tasks.file_names import printable

_BATCH = 65_536  # values held as Python objects at a time


def as_text(value: Any, names: Sequence[str] | None = None) -> str | None:
    """A value as a label: whole numbers by their place in `names`, of a list its first value."""
    while isinstance(value, list | tuple):
        value = next(iter(value), None)
    if isinstance(value, dict):
        value = next((value[name] for name in ("name", "label", "id") if name in value), None)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if names and value == -1:  # how data sets for a competition hide their labels
        return None
    if names and isinstance(value, int) and 0 <= value < len(names):
        return printable(names[value])[0]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return printable(str(value))[0]


def text_array(values: pa.Array | pa.ChunkedArray, names: Sequence[str] | None = None) -> pa.Array:
    """Values of any type as strings: see `as_text`."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if pa.types.is_null(values.type):
        return pa.nulls(len(values), pa.string())
    if pa.types.is_nested(values.type):
        return _one_by_one(values, names)
    if not pa.types.is_dictionary(values.type):
        try:
            values = values.dictionary_encode()
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            return _one_by_one(values, names)
    if pa.types.is_nested(values.type.value_type):
        return _one_by_one(values, names)
    dictionary = values.dictionary
    try:
        known = dictionary.to_pylist()
    except UnicodeDecodeError:  # nothing checks that strings are UTF-8
        known = dictionary.cast(pa.large_binary()).to_pylist()
    return pa.array([as_text(v, names) for v in known], pa.string()).take(values.indices)


def _one_by_one(values: pa.Array, names: Sequence[str] | None) -> pa.Array:
    pieces = [
        pa.array([as_text(v, names) for v in values.slice(i, _BATCH).to_pylist()], pa.string())
        for i in range(0, len(values), _BATCH)
    ]
    return pa.concat_arrays(pieces) if pieces else pa.array([], pa.string())


def trimmed(values: pa.Array) -> pa.Array:
    """Strings without blanks around them; null where nothing is left."""
    texts = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def composed(values: pa.Array) -> pa.Array:
    """Strings in Unicode's composed form, so that equal words are equal."""
    if pc.all(pc.string_is_ascii(values)).as_py() is False:
        return pc.utf8_normalize(values, form="NFC")
    return values


def class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """The names of a class label's values, as the Hugging Face library notes them."""
    try:
        notes = json.loads((schema.metadata or {})[b"huggingface"])
        feature = notes["info"]["features"][column]
        feature = feature.get("feature", feature)  # a list of labels
        return [str(name) for name in feature["names"]]
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
