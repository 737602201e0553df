"""The ways of clustering images that are compared by themselves, and which of them is taken.

A head keeps its clusters alike in size: it gains where kinds are so, and loses where they are not.
Whose clusters are foretold best from held-out images is right more often (docs/methods.md, "The
image alone").
"""

from collections.abc import Mapping

import numpy as np

from sortal.configs.evaluation import ChooseConfig
from sortal.storage.rows import FloatArray
from sortal.tasks.choose.score import CrossFit, Labels
from sortal.tasks.evaluation.agreement import ari, confusion

AS_THEY_ARE, TRAINED = "as-they-are", "trained"
WAYS = {  # the plainest first
    AS_THEY_ARE: "k-means",
    TRAINED: "a trained head",
}


def foretold(
    images: FloatArray,
    labels: Mapping[str, Labels],
    n_clusters: int,
    config: ChooseConfig,
    rng: np.random.Generator,
) -> dict[str, float]:
    """How well clusters (n,) of each way are foretold from centred images (n, d): mean ARI.

    Over as many divisions into folds as the choice has fits at the least.
    """
    found: dict[str, list[float]] = {name: [] for name in labels}
    for _ in range(config.min_fits):
        cross = CrossFit(images, config.folds, config.ridge, rng)
        for name, own in labels.items():
            found[name].append(ari(confusion(own, cross.foretold(own, n_clusters))))
    return {name: float(np.mean(values)) for name, values in found.items()}


def best_of(figures: Mapping[str, float], earlier: str | None, margin: float) -> str:
    """The way whose clusters are foretold best, the plainest of equals; or that taken `earlier`."""
    best = max(figures, key=lambda name: figures[name])
    held = figures.get(earlier or "")
    return earlier if earlier and held and figures[best] <= held * (1 + margin) else best
