"""What transport sees of images and of a semantic space: unit rows, centred where configured."""

import numpy as np

from sortal.storage.artifacts import Artifact
from sortal.storage.rows import FloatArray, Rows
from sortal.storage.vector_sets import open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import Centred
from sortal.tasks.corpora.space import space_texts


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
