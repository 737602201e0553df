"""How clusters agree with classes: every figure is read off one table of counts.

Memory is O(N) for the codes plus C_true x C_pred; pairs are counted in whole numbers.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

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


def _one_to_one(counts: Counts) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns matched so that most images are in matched cells (Hungarian)."""
    from scipy.optimize import linear_sum_assignment  # half a second that an unchanged run spares

    rows, columns = linear_sum_assignment(counts, maximize=True)
    return rows, columns


def accuracy(counts: Counts, total: int | None = None) -> float:
    """ACC: share of images whose cluster is matched to their label, matched one to one (Hungarian).

    Surplus clusters (C_pred > C_true) stay unmatched and count as errors; so do surplus labels.
    `total`: of so many images, where some are in no cluster. NaN where there is nothing to compare.
    """
    rows, columns = _one_to_one(counts)
    return _ratio(counts[rows, columns].sum(), counts.sum() if total is None else total)


def recalls(counts: Counts, sizes: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Of each class (C_true,), the share in the cluster matched to it as in `accuracy`.

    A class that is left without a cluster has 0. `sizes` (C_true,): of so many images each.
    """
    rows, columns = _one_to_one(counts)
    found = np.zeros(len(counts))
    found[rows] = counts[rows, columns] / (counts.sum(axis=1) if sizes is None else sizes)[rows]
    return found


def purity(counts: Counts, total: int | None = None) -> float:
    """Share of images, `total` in all, that have the majority label of their cluster.

    Rises with C_pred.
    """
    return _ratio(counts.max(axis=0, initial=0).sum(), counts.sum() if total is None else total)


def nmi(counts: Counts) -> float:
    """Normalised mutual information, arithmetic mean (as `normalized_mutual_info_score`)."""
    if not counts.sum():
        return float("nan")
    if counts.shape == (1, 1):
        return 1.0
    joint = counts / counts.sum()
    mean = (entropy(joint.sum(axis=1)) + entropy(joint.sum(axis=0))) / 2
    return min(max(_mutual(joint) / mean, 0.0), 1.0)


def shared_information(counts: Counts) -> float:
    """Mutual information in nats, less what chance would give (Vinh et al., 2010)."""
    from sklearn.metrics.cluster import expected_mutual_information

    total = int(counts.sum())
    return _mutual(counts / total) - float(expected_mutual_information(counts, total))


def _mutual(joint: NDArray[np.floating]) -> float:
    """Mutual information, in nats, of shares that sum to 1."""
    apart = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    used = joint > 0
    return float((joint[used] * np.log(joint[used] / apart[used])).sum())


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


def fmi(counts: Counts) -> float:
    """Fowlkes-Mallows index (as `fowlkes_mallows_score`): 0 where no pair is alike in both."""
    if not counts.sum():
        return float("nan")
    both = _pairs(counts)
    rows, columns = _pairs(counts.sum(axis=1)), _pairs(counts.sum(axis=0))
    return math.sqrt(both / rows) * math.sqrt(both / columns) if both else 0.0


def entropy(shares: NDArray[np.floating]) -> float:
    """Shannon entropy, in nats, of shares that sum to 1."""
    used = shares[shares > 0]
    return float(-(used * np.log(used)).sum())


def size_entropy(clusters: NDArray[np.integer], n_clusters: int) -> float:
    """Pielou's evenness of cluster sizes: entropy / log n_clusters, empty clusters included.

    1 where all are equal, 0 where one holds all. `clusters` of shape (n,) are in [0, n_clusters).
    """
    sizes = np.bincount(clusters, minlength=n_clusters)
    return entropy(sizes / max(sizes.sum(), 1)) / math.log(n_clusters)


def _ratio(part: np.int64, total: np.int64 | int) -> float:
    return float(part / total) if total else float("nan")


def _pairs(counts: NDArray[np.int64] | np.int64) -> int:
    return int((np.asarray(counts) * (np.asarray(counts) - 1) // 2).sum())


def score(counts: Counts, kindless: bool = False) -> dict[str, float]:
    """All figures of a table of counts that is not empty.

    `kindless`: its first column are images in no cluster. They are matched to no label, so they
    count as errors where images are; where pairs or shares are compared they are one more group.
    `nmi_of_kinds`, `ari_of_kinds` and `purity_of_kinds` leave them out.
    """
    kinds = counts[:, 1:] if kindless else counts
    recall = recalls(kinds, counts.sum(axis=1))
    figures = {
        "acc": accuracy(kinds, counts.sum()),
        "nmi": nmi(counts),
        "ari": ari(counts),
        "fmi": fmi(counts),
        "purity": purity(kinds, counts.sum()),
        "recall_mean": float(recall.mean()),
        "recall_min": float(recall.min()),
        "n_classes": counts.shape[0],
        "n_clusters_used": kinds.shape[1],
    }
    if kindless and kinds.sum():
        own = kinds[kinds.sum(axis=1) > 0]
        alone = {"nmi": nmi(own), "ari": ari(own), "purity": purity(own)}
        figures |= {f"{name}_of_kinds": value for name, value in alone.items()}
    return figures
