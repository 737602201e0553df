"""Evaluation: how clusters agree with labels, where labels exist. Labels are used nowhere else.

Every figure is read off one table of counts, so memory is O(N) for the codes plus C_true x C_pred.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from storage.artifacts import Artifact, Written
from storage.workspace import Workspace
from tasks.step import step

Counts = NDArray[np.int64]


def confusion(labels: ArrayLike, clusters: ArrayLike) -> Counts:
    """Counts of shape (C_true, C_pred): rows are the sorted labels, columns the sorted clusters.

    Only labels and clusters that occur have a row or a column; C_true and C_pred may differ.
    """
    rows, row_of = np.unique(np.asarray(labels), return_inverse=True)
    columns, column_of = np.unique(np.asarray(clusters), return_inverse=True)
    cells = row_of.astype(np.int64) * len(columns) + column_of
    shape = len(rows), len(columns)
    return np.bincount(cells, minlength=shape[0] * shape[1]).astype(np.int64).reshape(shape)


def accuracy(counts: Counts) -> float:
    """ACC: share of images whose cluster is matched to their label, matched one to one (Hungarian).

    Surplus clusters (C_pred > C_true) stay unmatched and count as errors; so do surplus labels.
    NaN where there is nothing to compare.
    """
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return _ratio(counts[rows, columns].sum(), counts.sum())


def purity(counts: Counts) -> float:
    """Share of images that bear the majority label of their cluster. Rises with C_pred."""
    return _ratio(counts.max(axis=0, initial=0).sum(), counts.sum())


def nmi(counts: Counts) -> float:
    """Normalised mutual information, arithmetic mean (as `normalized_mutual_info_score`)."""
    if not counts.sum():
        return float("nan")
    if counts.shape == (1, 1):
        return 1.0
    joint = counts / counts.sum()
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    used = joint > 0
    shared = float((joint[used] * np.log(joint[used] / np.outer(rows, columns)[used])).sum())
    mean = (_entropy(rows) + _entropy(columns)) / 2
    return min(max(shared / mean, 0.0), 1.0)


def ari(counts: Counts) -> float:
    """Adjusted Rand index (Hubert and Arabie, 1985; as `adjusted_rand_score`)."""
    if not counts.sum():
        return float("nan")
    both, rows = _pairs(counts), _pairs(counts.sum(axis=1))
    columns, every = _pairs(counts.sum(axis=0)), _pairs(counts.sum())
    if rows == columns == both:
        return 1.0
    expected = rows * columns / every
    return (both - expected) / ((rows + columns) / 2 - expected)


def _ratio(part: np.int64, whole: np.int64) -> float:
    return float(part / whole) if whole else float("nan")


def _entropy(shares: NDArray[np.float64]) -> float:
    used = shares[shares > 0]
    return float(-(used * np.log(used)).sum())


def _pairs(counts: NDArray[np.int64] | np.int64) -> int:
    return int((np.asarray(counts) * (np.asarray(counts) - 1) // 2).sum())


def score(labels: Sequence[str], clusters: ArrayLike) -> dict[str, float]:
    """All figures for labels and clusters of shape (n_samples,)."""
    counts = confusion(labels, clusters)
    return {
        "acc": accuracy(counts),
        "nmi": nmi(counts),
        "ari": ari(counts),
        "purity": purity(counts),
        "n_classes": counts.shape[0],
        "n_clusters_used": counts.shape[1],
    }


def join_labels(images: pa.Table, assignments: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """Labelled and assigned rows (label, cluster), and what was left out.

    Each file counts once, so two files of the same bytes are two images, as in the benchmarks'
    protocols. Counts: n_labelled (compared), n_unlabelled (assigned, no label) and n_unassigned
    (labelled, but failed).
    """
    left = images.select(["key", "label"])
    joined = left.join(assignments.select(["key", "cluster"]), "key", join_type="left outer")
    labelled, assigned = pc.is_valid(joined["label"]), pc.is_valid(joined["cluster"])
    both = pc.and_(labelled, assigned)
    rows = joined.filter(both).select(["label", "cluster"])
    counts = {
        "n_labelled": rows.num_rows,
        "n_unlabelled": pc.sum(pc.and_not(assigned, labelled)).as_py() or 0,
        "n_unassigned": pc.sum(pc.and_not(labelled, assigned)).as_py() or 0,
    }
    return rows, counts


@step("metrics")
def evaluate(folder: Path, workspace: Workspace, *, scan: Artifact, partition: Artifact) -> Written:
    """Write `metrics.parquet` (name, value); only the counts when no image has a label."""
    images = pq.read_table(scan.file(workspace, "images.parquet"), columns=["key", "label"])
    assignments = pq.read_table(partition.file(workspace, "assignments.parquet"))
    rows, counts = join_labels(images, assignments)
    values: dict[str, float] = dict(counts)
    if rows.num_rows:
        labels = rows["label"].combine_chunks().dictionary_encode().indices.to_numpy()
        values = {**score(labels, rows["cluster"].to_numpy()), **values}
    table = {"name": list(values), "value": pa.array(values.values(), pa.float64())}
    pq.write_table(pa.table(table), folder / "metrics.parquet")
    return Written(rows=len(values), facts=values)
