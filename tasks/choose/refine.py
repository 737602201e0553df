"""The step that settles what clusters images that are compared by themselves: k-means, or a head.

A head keeps its clusters alike in size: it gains where kinds are so, and loses where they are not.
What all images of a collection have in common says nothing, unless most are of one kind. Whose
clusters are foretold best from held-out images is right more often (docs/methods.md#auto).
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.evaluation import ChooseConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.rows import FloatArray, take_rows
from sortal.storage.vector_sets import open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import centre, mean_of
from sortal.tasks.choose.decide import CANDIDATES
from sortal.tasks.choose.score import CrossFit
from sortal.tasks.choose.step import sample_size
from sortal.tasks.clustering.assignments import ASSIGNMENTS, Labels, labels_of
from sortal.tasks.evaluation.agreement import ari, confusion
from sortal.tasks.evaluation.label_free import draw
from sortal.tasks.step import optional, step

log = logging.getLogger("sortal")

AS_THEY_ARE, CENTRED, TRAINED = "as-they-are", "centred", "trained"
_WORDS = {  # the plainest first
    AS_THEY_ARE: "k-means",
    CENTRED: "k-means of centred vectors",
    TRAINED: "a trained head",
}


@dataclass(frozen=True, kw_only=True)
class RefineInputs:
    """Inputs of `refine`; `partitions` are named as the ways above are."""

    images: Artifact
    choice: Artifact
    partitions: dict[str, Artifact]
    config: ChooseConfig
    n_clusters: int
    random_state: int
    earlier: str | None = optional()


@step("refinement", RefineInputs)
def refine(folder: Path, workspace: Workspace, inputs: RefineInputs) -> Written:
    """Write the choice's `candidates.parquet` again, with the way that is taken in its words.

    Clusters are foretold from images, over as many divisions into folds as the choice has fits at
    the least. The way `earlier` stays unless another is better by the share `config.margin`. Facts:
    those of the choice, `way`, and how well the clusters of each are `foretold` (mean ARI).
    """
    rng = np.random.default_rng(inputs.random_state)
    rows = open_vectors(workspace, inputs.images)
    places = draw(rows.shape[0], sample_size(inputs.config, inputs.n_clusters), rng)
    sample = centre(take_rows(rows, places), mean_of(rows))
    labels = {}
    for name in (name for name in _WORDS if name in inputs.partitions):
        file = inputs.partitions[name].file(workspace, ASSIGNMENTS)
        table = pq.read_table(file, columns=["key", "cluster"])
        labels[name] = labels_of(rows.key_column, table)[places].astype(np.int32)
    foretold = _foretold(sample, labels, inputs, rng)
    way = best_of(foretold, inputs.earlier, inputs.config.margin)
    said = ", ".join(f"{_WORDS[name]} {figure:.3f}" for name, figure in foretold.items())
    log.info("clusters are those of %s; foretold: %s", _WORDS[way], said)
    _write(folder, inputs.choice.file(workspace, CANDIDATES), _WORDS[way])
    facts: dict[str, Any] = {k: v for k, v in inputs.choice.facts.items() if k != "cost"}
    return Written(rows=inputs.choice.rows, facts=facts | {"way": way, "foretold": foretold})


def best_of(foretold: Mapping[str, float], earlier: str | None, margin: float) -> str:
    """The way whose clusters are foretold best, the plainest of equals; or that taken `earlier`."""
    best = max(foretold, key=lambda name: foretold[name])
    held = foretold.get(earlier or "")
    return earlier if earlier and held and foretold[best] <= held * (1 + margin) else best


def _foretold(
    sample: FloatArray, labels: dict[str, Labels], inputs: RefineInputs, rng: np.random.Generator
) -> dict[str, float]:
    config, count = inputs.config, inputs.n_clusters
    found: dict[str, list[float]] = {name: [] for name in labels}
    for _ in range(config.min_fits):
        cross = CrossFit(sample, config.folds, config.ridge, rng)
        for name, own in labels.items():
            found[name].append(ari(confusion(own, cross.foretold(own, count))))
    return {name: float(np.mean(values)) for name, values in found.items()}


def _write(folder: Path, candidates: Path, words: str) -> None:
    """The table of candidates, with `words` behind those of the one that is chosen."""
    table = pq.read_table(candidates)
    rows = zip(table["words"].to_pylist(), table["chosen"].to_pylist(), strict=True)
    said = pa.array([f"{text}, by {words}" if chosen else text for text, chosen in rows])
    place = table.schema.get_field_index("words")
    pq.write_table(table.set_column(place, "words", said), folder / CANDIDATES)
