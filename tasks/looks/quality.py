"""Quality flags: blank, dark, blurred and tiny pictures, each by a stated rule."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sortal.configs.looks import QualityConfig

FLAGS = pa.schema(
    [
        ("key", pa.string()),
        ("flag", pa.string()),  # blank, dark, blurred, tiny
        ("value", pa.float32()),  # what the rule looked at
        ("threshold", pa.float32()),  # below which it flags
    ]
)


def flags_of(looks: pa.Table, sides: pa.Array, config: QualityConfig) -> pa.Table:
    """A row for each flag of each picture (columns FLAGS); `sides` is the shorter side in pixels.

    A blank picture is neither dark nor blurred, a dark one not blurred: what is not to be seen
    has no sharpness to judge.
    """
    keys = np.asarray(looks["key"].to_pylist(), dtype=object)
    contrast, bright, sharp = (
        looks[name].to_numpy(zero_copy_only=False).astype(np.float32)
        for name in ("contrast", "bright", "sharpness")
    )
    side = sides.to_numpy(zero_copy_only=False).astype(np.float32)
    blank = contrast < config.blank
    dark = (bright < config.dark) & ~blank
    blurred = (sharp < config.blurred) & ~blank & ~dark
    rules = (
        ("blank", blank, contrast, config.blank),
        ("dark", dark, bright, config.dark),
        ("blurred", blurred, sharp, config.blurred),
        ("tiny", side < config.tiny, side, float(config.tiny)),
    )
    return pa.concat_tables([_flagged(keys, *rule) for rule in rules])


def _flagged(
    keys: NDArray[np.object_],
    flag: str,
    flagged: NDArray[np.bool_],
    values: NDArray[np.float32],
    threshold: float,
) -> pa.Table:
    rows = np.flatnonzero(flagged)
    columns = [
        pa.array(keys[rows].tolist(), pa.string()),
        pa.array([flag] * len(rows), pa.string()),
        pa.array(values[rows], pa.float32()),
        pa.array([threshold] * len(rows), pa.float32()),
    ]
    return pa.Table.from_arrays(columns, schema=FLAGS)
