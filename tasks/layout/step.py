"""The step `map`: where each image lies in two dimensions; new ones are placed among the old."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.looks import MapConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.rows import FloatArray, SomeRows, take_rows
from sortal.storage.vector_sets import VectorSet, open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import centre
from sortal.tasks.layout.place import landmarks_of, lay_out, place_rows
from sortal.tasks.step import optional, step

POINTS, LANDMARKS = "points.parquet", "landmarks.npz"


@dataclass(frozen=True, kw_only=True)
class MapInputs:
    """Inputs of `make_map`. `previous` is the last map of the collection, if any."""

    vectors: Artifact
    config: MapConfig
    previous: Artifact | None = optional()


@step("map", MapInputs, version=1)
def make_map(folder: Path, workspace: Workspace, inputs: MapInputs) -> Written:
    """Lay images out: points.parquet (key, x, y), landmarks.npz to place those of later.

    Points that `previous` has keep their places.
    """
    vectors = open_vectors(workspace, inputs.vectors)
    if inputs.previous:
        marks = dict(np.load(inputs.previous.file(workspace, LANDMARKS)))
        old = _points(inputs.previous.file(workspace, POINTS))
    else:
        marks, old = _landmarks(
            vectors, np.load(inputs.vectors.file(workspace, "mean.npy")), inputs
        )
    np.savez(folder / LANDMARKS, **marks)  # type: ignore[arg-type]
    fresh = np.array([n for n, key in enumerate(vectors.keys) if key not in old], np.int64)
    known = marks["vectors"].astype(np.float32)
    rows = SomeRows(vectors, fresh)
    places = place_rows(rows, marks["mean"], known, marks["places"], inputs.config)
    found = old | {vectors.keys[n]: place for n, place in zip(fresh.tolist(), places, strict=True)}
    xy = np.array([found[key] for key in vectors.keys], np.float32).reshape(-1, 2)
    table = {"key": pa.array(vectors.keys, pa.string()), "x": xy[:, 0], "y": xy[:, 1]}
    pq.write_table(pa.table(table), folder / POINTS)
    return Written(rows=len(xy), facts={"n_new": len(fresh), "n_landmarks": len(marks["places"])})


def _landmarks(
    vectors: VectorSet, mean: FloatArray, inputs: MapInputs
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """The landmarks of a first map, and their places by key."""
    rows = landmarks_of(len(vectors.keys), inputs.config)
    unit = centre(take_rows(vectors, rows), mean)
    places = lay_out(unit, inputs.config)
    half = unit.astype(np.float16)
    marks: dict[str, Any] = {"vectors": half, "places": places, "mean": mean}
    keys = [vectors.keys[row] for row in rows.tolist()]
    return marks, dict(zip(keys, places, strict=True))


def _points(file: Path) -> dict[str, FloatArray]:
    table = pq.read_table(file)
    xy = np.stack([table["x"].to_numpy(), table["y"].to_numpy()], axis=1)
    return dict(zip(table["key"].to_pylist(), xy, strict=True))
