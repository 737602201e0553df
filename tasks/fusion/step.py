"""Fusion: image, noun and caption vectors of one image become one vector.

Images are streamed once; all counterparts are made in the same pass, and only shards are kept.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.errors import RunError
from sortal.storage.artifacts import Written
from sortal.storage.rows import FloatArray
from sortal.storage.vector_sets import open_vectors, write_shards
from sortal.storage.vectors import ROW_GROUP
from sortal.storage.workspace import Workspace
from sortal.tasks.fusion.fuser import MODALITIES, FuseInputs, open_fuser
from sortal.tasks.step import step

log = logging.getLogger("sortal")

_LOST = 0.05  # mean weight under which the image no longer matters


def weights_table(keys: Sequence[str], columns: dict[str, FloatArray]) -> pa.Table:
    """Arrow table with key and w_image, w_noun, w_caption (float32; unused modalities are 0)."""
    unused = np.zeros(len(keys), dtype=np.float32)
    shares = {f"w_{name}": columns.get(name, unused) for name in MODALITIES}
    return pa.table({"key": pa.array(keys, pa.string()), **shares})


@step("fused", FuseInputs, version=1)
def fuse(folder: Path, workspace: Workspace, inputs: FuseInputs) -> Written:
    """Write `vectors-00000.parquet`, ... (key, vector) and `weights.parquet`.

    Without any space the vectors are the images' own. Raises `RunError` when there is no image.
    """
    rows = open_vectors(workspace, inputs.images)
    if not rows.shape[0]:
        raise RunError("fusion needs at least one readable image, got 0; check the source")
    fuser = open_fuser(workspace, inputs)
    shares: list[FloatArray] = []

    def fused() -> Iterator[FloatArray]:
        for block in rows.blocks(ROW_GROUP):
            out, share = fuser(block)
            shares.append(share)
            yield out

    write_shards(folder, rows.keys, fused())
    columns = dict(zip(["image", *fuser.spaces], np.concatenate(shares).T, strict=True))
    pq.write_table(weights_table(rows.keys, columns), folder / "weights.parquet")
    return Written(rows=rows.shape[0], facts={"mean_weights": _mean_weights(columns)})


def _mean_weights(columns: dict[str, FloatArray]) -> dict[str, float]:
    means = {name: float(column.mean(dtype=np.float64)) for name, column in columns.items()}
    if means["image"] < _LOST:
        log.warning(
            "the image is being lost: its mean fusion weight is %.2g; "
            "centre the modalities or raise fusion.gamma",
            means["image"],
        )
    return means
