"""The step that applies a trained head to images which its training has not seen."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from sortal.configs.commands.assign import AssignConfig
from sortal.configs.schema import RunConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.vector_sets import open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.clustering.assignments import ASSIGNMENTS, CENTRES
from sortal.tasks.placing.placer import open_placer, stored_blocks
from sortal.tasks.step import step


@dataclass(frozen=True, kw_only=True)
class ApplyHeadInputs:
    """Inputs of `apply_head`."""

    images: Artifact
    parts: dict[str, Artifact]
    config: RunConfig


@step("applied", ApplyHeadInputs)
def apply_head(folder: Path, workspace: Workspace, inputs: ApplyHeadInputs) -> Written:
    """Write what `partition` writes, with each image where `sortal assign` would put it.

    `parts` are the artifacts of the training by role (see `placer.files_needed`). Cluster ids
    and centres are those of the training, so ids are in order of size there, not here.
    """
    placer = open_placer(workspace, inputs.parts, inputs.config, AssignConfig())
    rows = placer.place_all(stored_blocks(open_vectors(workspace, inputs.images)))
    placed = rows.select(["key", "cluster", "distance"])
    pq.write_table(placed, folder / ASSIGNMENTS)
    shutil.copy(inputs.parts["partition"].file(workspace, CENTRES), folder / CENTRES)
    sizes = np.bincount(placed["cluster"].to_numpy(), minlength=inputs.config.n_clusters)
    return Written(rows=len(placed), facts={"sizes": sizes.tolist()})
