"""Warm starts: k-means from an earlier run's centres, and cold starts too where they may do better.

Lloyd's iterations move centres a little: a kind that arrives later is shared out among old
clusters, however large it grows, unless a cold start is compared now and then.
"""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sortal.configs.lineage import LineageConfig
from sortal.storage.artifacts import Artifact, read_manifest
from sortal.storage.rows import FloatArray
from sortal.storage.workspace import Workspace
from sortal.tasks.clustering.assignments import CENTRES
from sortal.tasks.clustering.kmeans import KMeansResult

log = logging.getLogger("sortal")

Fit = Callable[[FloatArray | None], KMeansResult]  # from these centres, or cold


class EarlierFit(NamedTuple):
    """What an earlier partition left.

    `centres` (n_clusters, dim); `reference_inertia`: that of an image when cold starts were last
    tried, 0 where that is unknown, so that they are tried now.
    """

    centres: FloatArray
    reference_inertia: float


class FitOutcome(NamedTuple):
    """How a fit ended. `kept_centres`: it is the one from earlier centres.

    `compared`: cold starts were tried next to it; `reference_inertia` as in `EarlierFit`.
    """

    result: KMeansResult
    kept_centres: bool
    compared: bool
    reference_inertia: float

    @property
    def facts(self) -> dict[str, Any]:
        """What the next run must know, by the names it is stored under."""
        return {
            "warm": self.kept_centres,
            "tried_cold": self.compared,
            "settled": self.reference_inertia,
        }


def open_start(
    workspace: Workspace, earlier: Artifact | None, shape: tuple[int, int]
) -> EarlierFit | None:
    """Where the partition `earlier` ended; None where its centres are gone or not of `shape`."""
    path = earlier.file(workspace, CENTRES) if earlier else None
    if earlier is None or path is None or not path.exists():
        return None
    centres: FloatArray = np.load(path)
    if centres.shape != shape:
        return None
    manifest = read_manifest(earlier.folder(workspace)) or {"artifact": {"facts": {}}}
    return EarlierFit(centres, float(manifest["artifact"]["facts"].get("settled", 0.0)))


def fit_cold(fit: Fit) -> FitOutcome:
    """k-means from seedings of its own."""
    result = fit(None)
    return FitOutcome(result, False, False, _inertia_per_image(result))


def fit_warm(fit: Fit, start: EarlierFit, drifted: bool, config: LineageConfig) -> FitOutcome:
    """k-means from earlier centres, and from cold starts too where a new kind may have come.

    A new kind raises the inertia of an image above the reference, or has texts selected again
    (`drifted`). Of both fits the lower inertia is taken; the cold one must be lower by
    `cold_gain`, for optima that are as good are no reason to move.
    """
    warm = fit(start.centres)
    limit = start.reference_inertia * (1 + config.inertia_rise)
    if not drifted and _inertia_per_image(warm) <= limit:
        return FitOutcome(warm, True, False, start.reference_inertia)
    cold = fit(None)
    gain = 1 - cold.inertia / warm.inertia if warm.inertia else 0.0
    better = gain > config.cold_gain
    log.info(
        "k-means: cold starts were tried too and %s (inertia %+.1f %%)",
        "the best is taken" if better else "the earlier centres kept",
        -100 * gain,
    )
    best = cold if better else warm
    return FitOutcome(best, not better, True, _inertia_per_image(best))


def _inertia_per_image(result: KMeansResult) -> float:
    return result.inertia / max(len(result.labels), 1)
