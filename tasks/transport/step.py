"""Counterparts: each image as a mixture of the semantic space's texts, by optimal transport.

A solved transport is one vector, the column potential g; everything else is a softmax with it.
"""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from configs.schema import TransportConfig
from storage.artifacts import Artifact, Written
from storage.rows import FloatArray, Rows
from storage.vectors import vectors_of
from storage.workspace import Workspace
from tasks.centring import Centred, centre, mean_of
from tasks.embedding import open_vectors
from tasks.potential import match_potential
from tasks.step import step

POTENTIAL = "potential.npz"


def transport_inputs(
    workspace: Workspace, images: Artifact, space: Artifact, centred: bool
) -> tuple[Rows, FloatArray, list[str]]:
    """Image rows, text vectors of shape (M, d) and text keys as transport sees them.

    Where `centred`, images lose the mean of all images and texts the mean of the space's own.
    """
    texts, keys = space_texts(workspace, space, centred)
    rows: Rows = open_vectors(workspace, images)
    if centred:
        rows = Centred(rows, np.load(images.file(workspace, "mean.npy")))
    return rows, texts, keys


def space_texts(
    workspace: Workspace, space: Artifact, centred: bool
) -> tuple[FloatArray, list[str]]:
    """Text vectors of shape (M, d), without their own mean where `centred`, and their keys."""
    table = pq.read_table(space.file(workspace, "space.parquet"), columns=["key", "vector"])
    texts = vectors_of(table)
    return centre(texts, mean_of(texts) if centred else None), table.column("key").to_pylist()


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

    from tasks.solving import solve

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
