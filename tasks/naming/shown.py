"""The images of a run as naming sees them."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sortal.storage.artifacts import Artifact
from sortal.storage.rows import FloatArray, take_rows
from sortal.storage.vector_sets import open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.clustering.assignments import labels_of
from sortal.tasks.naming.evidence import middles, sampled


class Shown(NamedTuple):
    """Images' mean (d,), clusters' means (C, d) and sizes (C,), a sample (n, d) with its labels."""

    mean: FloatArray
    centres: FloatArray
    sizes: NDArray[np.int64]
    vectors: FloatArray
    labels: NDArray[np.int64]


def shown_of(
    workspace: Workspace, images: Artifact, assignments: pa.Table, n_clusters: int, sample: int
) -> Shown:
    """The images of C clusters, at most about `sample` of them one by one."""
    rows = open_vectors(workspace, images)
    labels = labels_of(rows.key_column, assignments)
    chosen = sampled(labels, n_clusters, sample)
    return Shown(
        mean=np.load(images.file(workspace, "mean.npy")),
        centres=middles(rows, labels, n_clusters),
        sizes=np.bincount(labels[labels >= 0], minlength=n_clusters),
        vectors=take_rows(rows, chosen),
        labels=labels[chosen],
    )
