"""From artifacts to what a method is trained on: each image as fusion sees it, and the texts."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from sortal.storage.rows import FloatArray
from sortal.storage.vector_sets import FileVectors, open_file_vectors, open_vectors
from sortal.storage.vectors import ROW_GROUP
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import centre, normalise
from sortal.tasks.fusion.fuser import open_view
from sortal.tasks.heads.data import Data, Matrix, TextSpace, write_matrix
from sortal.tasks.heads.inputs import HeadInputs
from sortal.tasks.heads.method import Method
from sortal.tasks.selection.space import space_table, space_texts


def open_data(
    workspace: Workspace,
    inputs: HeadInputs,
    method: Method,
    scratch: Path,
    *,
    n_clusters: int,
    random_state: int,
    device: str,
) -> Data:
    """The views and spaces that `method` reads; views are written to `scratch` once."""
    return Data(
        n_clusters=n_clusters,
        views={
            view: _matrix(workspace, inputs, view, scratch / f"view-{view}.npy", device)
            for view in method.views
        },
        spaces={name: _space(workspace, inputs, name, device) for name in method.spaces},
        scratch=scratch,
        random_state=random_state,
        device=device,
    )


def _matrix(workspace: Workspace, inputs: HeadInputs, view: str, path: Path, device: str) -> Matrix:
    shape = open_vectors(workspace, inputs.images).shape
    if view == "image":
        blocks = _images(workspace, inputs)
    elif view in (inputs.views or {}):
        rows = open_file_vectors(workspace, (inputs.views or {})[view])
        shape, blocks = rows.shape, _further(workspace, inputs, view, rows)
    else:
        blocks = _counterparts(workspace, inputs, view)
    write_matrix(path, shape, blocks)
    return Matrix(path, device)


def _further(
    workspace: Workspace, inputs: HeadInputs, view: str, rows: FileVectors
) -> Iterator[FloatArray]:
    """A further view, without its own mean where fusion removes it; missing rows stay zero."""
    mean = np.load((inputs.views or {})[view].file(workspace, "mean.npy"))
    for block in rows.blocks(ROW_GROUP):
        there = block.any(axis=1, keepdims=True)
        yield centre(block, mean) * there if inputs.fusion.centred else block


def _images(workspace: Workspace, inputs: HeadInputs) -> Iterator[FloatArray]:
    mean = np.load(inputs.images.file(workspace, "mean.npy")) if inputs.fusion.centred else None
    for block in open_vectors(workspace, inputs.images).blocks(ROW_GROUP):
        yield centre(block, mean)


def _counterparts(workspace: Workspace, inputs: HeadInputs, name: str) -> Iterator[FloatArray]:
    """Counterparts in one space, from the transport's stored potential."""
    space, solved = inputs.spaces[name], inputs.transports[name]
    view = open_view(workspace, space, solved, inputs.transport, inputs.fusion)
    centred = inputs.transport.centred
    mean = np.load(inputs.images.file(workspace, "mean.npy")) if centred else None
    for block in open_vectors(workspace, inputs.images).blocks(ROW_GROUP):
        yield view.counterparts(centre(block, mean))


def _space(workspace: Workspace, inputs: HeadInputs, name: str, device: str) -> TextSpace:
    space = inputs.spaces[name]
    plain, _ = space_texts(workspace, space, centred=False)
    seen, _ = space_texts(workspace, space, inputs.fusion.centred)
    mean = np.load(inputs.text_vectors[name].file(workspace, "mean.npy"))
    return TextSpace(
        vectors=torch.tensor(seen, device=device),
        generality=plain @ normalise(mean[None, :])[0],
        table=space_table(workspace, space, inputs.corpora[name]),
    )
