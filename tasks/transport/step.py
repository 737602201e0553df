"""Counterparts: each image as a mixture of the semantic space's texts, by optimal transport.

A solved transport is one vector, the column potential g; everything else is a softmax with it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sortal.configs.schema import TransportConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.workspace import Workspace
from sortal.tasks.devices.at_hand import gpu
from sortal.tasks.step import optional, step
from sortal.tasks.transport.inputs import transport_inputs
from sortal.tasks.transport.potential import POTENTIAL, match_potential


@dataclass(frozen=True, kw_only=True)
class SolveTransportInputs:
    """Inputs of `solve_transport`."""

    images: Artifact
    space: Artifact
    config: TransportConfig
    earlier: Artifact | None = optional()
    sampled: bool | None = optional()  # whether it is fitted on `fit_rows` of more images


@step("transport", SolveTransportInputs, version=2)
def solve_transport(folder: Path, workspace: Workspace, inputs: SolveTransportInputs) -> Written:
    """Write `potential.npz`: the potential of `images` on the texts of `space`.

    `earlier` is a transport artifact to start from, its texts matched by key. Of more than
    `config.fit_rows` images it is fitted on so many, and the figures are of all.
    """
    from sortal.tasks.transport.solve import solve

    rows, texts, keys = transport_inputs(
        workspace, inputs.images, inputs.space, inputs.config.centred
    )
    start = _start(workspace, inputs.earlier, keys)
    potential = solve(rows, texts, inputs.config, start=start, device=gpu() or "cpu")
    potential.save(folder / POTENTIAL, keys)
    return Written(rows=len(keys), facts={**potential.facts, "warm": start is not None})


def _start(
    workspace: Workspace, earlier: Artifact | None, keys: list[str]
) -> NDArray[np.float64] | None:
    """The earlier potential, its texts matched by key; None where there is none."""
    path = earlier.file(workspace, POTENTIAL) if earlier else None
    if path is None or not path.exists():
        return None
    with np.load(path) as file:
        return match_potential(file["g"], file["keys"].tolist(), keys)
