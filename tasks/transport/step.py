"""Counterparts: each image as a mixture of the semantic space's texts, by optimal transport.

A solved transport is one vector, the column potential g; everything else is a softmax with it.
"""

from pathlib import Path

import numpy as np

from sortal.configs.schema import TransportConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.workspace import Workspace
from sortal.tasks.step import step
from sortal.tasks.transport.inputs import transport_inputs
from sortal.tasks.transport.potential import POTENTIAL, match_potential


@step("transport", version=2)
def solve_transport(
    folder: Path,
    workspace: Workspace,
    *,
    images: Artifact,
    space: Artifact,
    config: TransportConfig,
    earlier: Artifact | None = None,
) -> Written:
    """Write `potential.npz`: the potential of `images` on the texts of `space`.

    `earlier` is a transport artifact to start from, its texts matched by key.
    """
    import torch

    from sortal.tasks.transport.solve import solve

    rows, texts, keys = transport_inputs(workspace, images, space, config.centred)
    start = None
    if earlier and earlier.file(workspace, POTENTIAL).exists():
        with np.load(earlier.file(workspace, POTENTIAL)) as file:
            start = match_potential(file["g"], file["keys"].tolist(), keys)
    potential = solve(
        rows,
        texts,
        epsilon=config.epsilon,
        balance=config.balance,
        tol=config.tol,
        max_iter=config.max_iter,
        g0=start,
        strict=config.strict,
        solver=config.solver,
        memory_budget=config.memory_budget,
        device="cuda" if torch.cuda.is_available() else "cpu",
    )
    potential.save(folder / POTENTIAL, keys)
    return Written(rows=len(keys), facts={**potential.facts, "warm": start is not None})
